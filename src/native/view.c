/*
 * What Node-API cannot do: an ArrayBuffer whose bytes V8 does not count. Whatever it counts, it collects garbage for, all of
 * it at each rise of 64 MiB; and of memory that is shown again and again, every view is a rise.
 *
 * V8 counts nothing for memory that nobody has to free: a v8::BackingStore with V8's own EmptyDeleter
 * (PerIsolateAccountingLength in its backing-store.h). It then tells nobody when that is over; so here its std::shared_ptr
 * does. V8's functions are public and exported, but C++. They are found by their names, which contain the types of
 * their parameters and whose standard library those are of: a Node that has others has none of these names. How such a call is made
 * from C is in the Itanium C++ ABI, and what a shared_ptr looks like in libstdc++, which keeps it (bits/shared_ptr_base.h).
 */
#include "view.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

typedef struct BackingStore BackingStore;
typedef struct Isolate Isolate;
typedef void (*Deleter)(void *start, size_t length, void *hint);

/* A std::unique_ptr that is returned: in memory, as it has a destructor; and as anything is that is larger than two registers. */
struct returned {
  BackingStore *store;
  void *unused[2];
};

/* std::_Sp_counted_base: who gives up the last use calls `dispose`, and the last of all references `destroy`. */
struct owner {
  const struct owner_table *table;
  atomic_int uses, references;
  BackingStore *store;
  void (*on_gone)(void *hint);
  void *hint;
};

struct owner_table {
  void (*destructor)(struct owner *owner);
  void (*deleting_destructor)(struct owner *owner);
  void (*dispose)(struct owner *owner);
  void (*destroy)(struct owner *owner);
  void *(*get_deleter)(struct owner *owner, const void *type);
};

/* std::shared_ptr, of which a function gets the address; its caller destroys it. */
struct shared {
  BackingStore *store;
  struct owner *owner;
};

/* v8::Maybe<bool> */
struct maybe {
  bool has_value, value;
};

static struct {
  struct returned (*make_store)(void *start, size_t length, Deleter deleter, void *hint);
  Deleter empty_deleter;
  void (*destroy_store)(BackingStore *store);
  void (*free_store)(void *store);
  Isolate *(*current_isolate)(void);
  /* A v8::Local is a pointer, and a napi_value the same one. */
  napi_value (*make_buffer)(Isolate *isolate, struct shared *store);
  void (*set_key)(napi_value buffer, napi_value key);
  struct maybe (*detach)(napi_value buffer, napi_value key);
} calls;

static const struct {
  const char *name;
  void *place;
} NAMES[] = {
    {"_ZN2v811ArrayBuffer15NewBackingStoreEPvmPFvS1_mS1_ES1_", &calls.make_store},
    {"_ZN2v812BackingStore12EmptyDeleterEPvmS1_", &calls.empty_deleter},
    {"_ZN2v812BackingStoreD1Ev", &calls.destroy_store},
    {"_ZdlPv", &calls.free_store},
    {"_ZN2v87Isolate10GetCurrentEv", &calls.current_isolate},
    {"_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE", &calls.make_buffer},
    {"_ZN2v811ArrayBuffer12SetDetachKeyENS_5LocalINS_5ValueEEE", &calls.set_key},
    {"_ZN2v811ArrayBuffer6DetachENS_5LocalINS_5ValueEEE", &calls.detach},
};

static bool are_calls_found;
static uv_once_t once = UV_ONCE_INIT;

static void find_calls(void) {
  /* Elsewhere what is returned in memory may be so in another way. */
#if defined(__x86_64__) || defined(__aarch64__)
  uv_lib_t program;
  are_calls_found = uv_dlopen(NULL, &program) == 0;
  for (size_t index = 0; index < sizeof NAMES / sizeof *NAMES && are_calls_found; index++) {
    are_calls_found = uv_dlsym(&program, NAMES[index].name, NAMES[index].place) == 0;
  }
  /* Of the program itself, which stays. */
  uv_dlclose(&program);
#endif
}

static void dispose(struct owner *owner) {
  calls.destroy_store(owner->store);
  calls.free_store(owner->store);
  owner->on_gone(owner->hint);
}

static void destroy(struct owner *owner) {
  free(owner);
}

static void *get_deleter(struct owner *owner, const void *type) {
  (void)owner;
  (void)type;
  return NULL;
}

static const struct owner_table TABLE = {destroy, destroy, dispose, destroy, get_deleter};

bool can_make_uncounted_views(void) {
  uv_once(&once, find_calls);
  return are_calls_found;
}

napi_value make_uncounted_view(void *start, size_t length, void (*on_gone)(void *hint), void *hint) {
  struct owner *owner = malloc(sizeof *owner);
  if (owner == NULL) return NULL;
  BackingStore *store = calls.make_store(start, length, calls.empty_deleter, NULL).store;
  *owner = (struct owner){&TABLE, 1, 1, store, on_gone, hint};
  struct shared shared = {store, owner};
  napi_value buffer = calls.make_buffer(calls.current_isolate(), &shared);
  /* Unless it was moved from. */
  if (shared.owner != NULL && atomic_fetch_sub(&owner->uses, 1) == 1) {
    dispose(owner);
    if (atomic_fetch_sub(&owner->references, 1) == 1) destroy(owner);
  }
  return buffer;
}

void lock_view(napi_value buffer, napi_value key) {
  calls.set_key(buffer, key);
}

bool detach_locked_view(napi_value buffer, napi_value key) {
  return calls.detach(buffer, key).has_value;
}
