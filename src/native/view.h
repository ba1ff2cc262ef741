#ifndef EARSHOT_VIEW_H
#define EARSHOT_VIEW_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Whether this Node has what the others need. They are for a NODE_MODULE_VERSION on which they were tried: within one, V8's
 * functions stay as they are.
 */
bool can_make_uncounted_views(void);

/*
 * An ArrayBuffer of memory that V8 does not count as its own, or NULL without memory. `on_gone` is called when the buffer is
 * detached or collected and nobody else has its memory either: on whatever thread, and maybe after the environment.
 */
napi_value make_uncounted_view(void *start, size_t length, void (*on_gone)(void *hint), void *hint);

/* Who does not know the key, cannot detach the buffer: neither Node-API nor JavaScript, which has no word for keys. */
void lock_view(napi_value buffer, napi_value key);

/* False, and an exception, if that is not its key. */
bool detach_locked_view(napi_value buffer, napi_value key);

#endif
