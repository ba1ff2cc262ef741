/*
 * The system calls that Node lacks for Unix sockets, and nothing else: it decides nothing. `binding.ts` declares all of
 * it and says what each does.
 *
 * - Every descriptor that is made here is in a table until it is closed or released, so that an environment that ends
 *   (a Worker, the process) leaves none behind.
 * - A call that cannot be done throws an error with `code`, `errno` and `syscall`. The one that only has to wait
 *   (EAGAIN) is an answer, not an error, for `read`, `write`, `accept` and `lock`.
 * - Nothing raises SIGPIPE, everything is close-on-exec, and what a signal interrupts is done again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <node_api.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "view.h"

/* <linux/socket.h> of older systems lack them. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* <linux/memfd.h> of older systems lacks it: Linux 6.3. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* musl's own refuses more than 252 descriptors; on 64 bits its structures are the kernel's. */
#if !defined(__GLIBC__) && LONG_MAX > INT_MAX
#define sendmsg(descriptor, message, flags) syscall(SYS_sendmsg, descriptor, message, flags)
#endif

/* SCM_MAX_FD, unix(7): the kernel refuses more in one message. */
#define MAX_DESCRIPTORS 253
#define MAX_CHUNKS 128
/* How often one event may bring data before other handles have their turn, as in libuv's own streams. */
#define MAX_READS 32
#define WOULD_BLOCK (-1)
/* What `onReady` answers to be called again without looking whether there is more. */
#define AT_ONCE (-1)
/* How long one event may go on bringing more before timers have their turn. */
#define MAX_RUN_NS 500000
/* How often memory is looked at before others may have the processor: a microsecond or two. */
#define LOOKS_AT_ONCE 64
/* And at first: the other side, if it is awake as well, answers in a few microseconds. */
#define LOOKS_AT_FIRST 128
/* Told to the owner of words: to look now; and that nobody looks any more. */
#define LOOK 8
#define OVER 16
#define MAX_ARGS 4
/* How many bytes of memory are asked for with one call. */
#define ALLOCATED_AT_ONCE 1048576
/* `binding.ts` takes no other: to be raised there, too, with whatever it declares. */
#ifndef ADDON_VERSION
#define ADDON_VERSION 6
#endif

struct mapping;

struct instance {
  napi_env env;
  napi_ref on_ready;
  /* What is looked for is read to here. */
  napi_ref look_buffer;
  /* By descriptor; NULL where it is not ours. */
  struct handle **handles;
  int capacity;
  /* Polls that libuv has not finished closing. */
  int closing;
  /* Set while the environment ends. */
  napi_async_cleanup_hook_handle ending;
  int received[MAX_DESCRIPTORS];
  int received_count;
  /* Memory that is mapped now. */
  struct mapping *mappings;
  /* Runs while there is somebody in `soon`. */
  uv_idle_t idle;
  bool has_idle;
  struct handle *soon;
  /* On one processor nothing comes while this thread looks. */
  bool is_alone;
};

/* Two words that another process may change: there is something to read when they differ. */
struct words {
  struct mapping *mapping;
  const _Atomic uint32_t *first, *second;
};

struct handle {
  uv_poll_t poll;
  struct instance *instance;
  int descriptor;
  bool has_poll;
  bool is_closed;
  bool is_watched_for_reading;
  /* Of a read that nobody has been told of. */
  int error;
  /* When its owner was last done with it, by uv_hrtime. */
  uint64_t idle_since;
  /* Instead of what comes on the descriptor, where there is a mapping. */
  struct words words;
  bool is_soon;
  /* How long a socket is looked at when it is its turn. */
  int look_us;
  struct handle *next_soon;
};

/* Memory shared with another process, and private memory behind it: mapped until none has it, on whatever thread. */
struct memory {
  atomic_int owners;
  void *start;
  size_t length;
};

/* What one thread has mapped; `memory` is NULL when it has been unmapped, and only its ArrayBuffer is there still. */
struct mapping {
  struct instance *instance;
  struct mapping *next;
  struct memory *memory;
};

/* ---- errors and values ---- */

static napi_value throw_system(napi_env env, const char *syscall, int error) {
  napi_value message, code, name, number, thrown;
  char text[128];
  snprintf(text, sizeof text, "%s %s", syscall, uv_err_name(-error));
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) == napi_ok &&
      napi_create_string_utf8(env, uv_err_name(-error), NAPI_AUTO_LENGTH, &code) == napi_ok &&
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_int32(env, -error, &number) == napi_ok && napi_create_error(env, code, message, &thrown) == napi_ok &&
      napi_set_named_property(env, thrown, "errno", number) == napi_ok &&
      napi_set_named_property(env, thrown, "syscall", name) == napi_ok) {
    napi_throw(env, thrown);
  }
  return NULL;
}

static napi_value throw_argument(napi_env env, const char *what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return NULL;
}

static napi_value from_int(napi_env env, int value) {
  napi_value result;
  return napi_create_int32(env, value, &result) == napi_ok ? result : NULL;
}

static napi_value from_bool(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : NULL;
}

/* Arguments and the instance; false when there is an exception. Missing arguments are undefined. */
static bool read_arguments(napi_env env, napi_callback_info info, napi_value *args, struct instance **instance) {
  size_t count = MAX_ARGS;
  if (napi_get_cb_info(env, info, &count, args, NULL, (void **)instance) == napi_ok) return true;
  throw_argument(env, "the arguments cannot be read");
  return false;
}

/* No NaN, fraction or large number either: Node-API would make another descriptor of them. */
static bool read_int(napi_env env, napi_value value, int *result) {
  double number;
  if (napi_get_value_double(env, value, &number) == napi_ok && number >= INT_MIN && number <= INT_MAX) {
    *result = (int)number;
    if (*result == number) return true;
  }
  throw_argument(env, "a whole number is needed");
  return false;
}

static bool read_bytes(napi_env env, napi_value value, void **data, size_t *length) {
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == napi_uint8_array) {
    return true;
  }
  throw_argument(env, "a Uint8Array is needed");
  return false;
}

/* ---- the table of descriptors ---- */

static struct handle *find(struct instance *instance, int descriptor) {
  return descriptor >= 0 && descriptor < instance->capacity ? instance->handles[descriptor] : NULL;
}

static void on_closed(uv_handle_t *poll);

static void forget_soon(struct handle *handle) {
  if (!handle->is_soon) return;
  struct handle **place = &handle->instance->soon;
  while (*place != handle) place = &(*place)->next_soon;
  *place = handle->next_soon;
  handle->is_soon = false;
}

/* Takes a descriptor out of the table, and stops watching it. */
static void untrack(struct handle *handle) {
  forget_soon(handle);
  handle->instance->handles[handle->descriptor] = NULL;
  handle->is_closed = true;
  if (!handle->has_poll) {
    free(handle);
    return;
  }
  handle->instance->closing++;
  uv_close((uv_handle_t *)&handle->poll, on_closed);
}

/* Takes a descriptor into the table; closes it, and returns an error number, if there is no memory. */
static int track(struct instance *instance, int descriptor) {
  /* Somebody else closed what had this number before. */
  struct handle *stale = find(instance, descriptor);
  if (stale != NULL) untrack(stale);
  if (descriptor >= instance->capacity) {
    int capacity = instance->capacity == 0 ? 64 : instance->capacity;
    while (capacity <= descriptor) capacity *= 2;
    struct handle **grown = realloc(instance->handles, (size_t)capacity * sizeof *grown);
    if (grown == NULL) {
      close(descriptor);
      return ENOMEM;
    }
    memset(grown + instance->capacity, 0, (size_t)(capacity - instance->capacity) * sizeof *grown);
    instance->handles = grown;
    instance->capacity = capacity;
  }
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) {
    close(descriptor);
    return ENOMEM;
  }
  handle->instance = instance;
  handle->descriptor = descriptor;
  instance->handles[descriptor] = handle;
  return 0;
}

static void finish_if_ended(struct instance *instance) {
  if (instance->ending == NULL || instance->closing > 0) return;
  napi_remove_async_cleanup_hook(instance->ending);
  free(instance->handles);
  free(instance);
}

static void on_closed(uv_handle_t *poll) {
  struct handle *handle = poll->data;
  struct instance *instance = handle->instance;
  free(handle);
  instance->closing--;
  finish_if_ended(instance);
}

static void close_handle(struct handle *handle) {
  int descriptor = handle->descriptor;
  untrack(handle);
  close(descriptor);
}

static void on_idle_closed(uv_handle_t *idle) {
  struct instance *instance = idle->data;
  instance->closing--;
  finish_if_ended(instance);
}

static void on_teardown(napi_async_cleanup_hook_handle hook, void *data) {
  struct instance *instance = data;
  instance->ending = hook;
  if (instance->has_idle) {
    instance->closing++;
    uv_close((uv_handle_t *)&instance->idle, on_idle_closed);
  }
  for (int descriptor = 0; descriptor < instance->capacity; descriptor++) {
    if (instance->handles[descriptor] != NULL) close_handle(instance->handles[descriptor]);
  }
  if (instance->on_ready != NULL) napi_delete_reference(instance->env, instance->on_ready);
  /* What is mapped is unmapped with its ArrayBuffer, which the environment lets go of by itself. */
  for (struct mapping *mapping = instance->mappings; mapping != NULL; mapping = mapping->next) mapping->instance = NULL;
  if (instance->look_buffer != NULL) napi_delete_reference(instance->env, instance->look_buffer);
  finish_if_ended(instance);
}

static struct handle *read_handle(napi_env env, struct instance *instance, napi_value value, const char *syscall) {
  int descriptor;
  if (!read_int(env, value, &descriptor)) return NULL;
  struct handle *handle = find(instance, descriptor);
  if (handle == NULL) throw_system(env, syscall, EBADF);
  return handle;
}

static napi_value track_result(napi_env env, struct instance *instance, int descriptor, const char *syscall) {
  int error = descriptor < 0 ? errno : track(instance, descriptor);
  return error == 0 ? from_int(env, descriptor) : throw_system(env, syscall, error);
}

/* ---- sockets ---- */

/* Room for all descriptors, and for what an adopted socket may be set to bring besides: SO_PASSCRED and the like. */
union control {
  char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int)) + 512];
  struct cmsghdr alignment;
};

static napi_value make_socket(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int type;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &type)) return NULL;
  return track_result(env, instance, socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
}

/* A path gets the NUL that ends it; an abstract name begins with one and has exactly its length. */
static bool read_address(napi_env env, napi_value value, struct sockaddr_un *address, socklen_t *length) {
  void *bytes;
  size_t size;
  if (!read_bytes(env, value, &bytes, &size)) return false;
  if (size == 0 || size > sizeof address->sun_path || (*(char *)bytes != '\0' && size == sizeof address->sun_path)) {
    throw_argument(env, "an address has 1 to 107 bytes, and a NUL before that if it is abstract");
    return false;
  }
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, bytes, size);
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (address->sun_path[0] == '\0' ? 0 : 1));
  return true;
}

static napi_value bind_or_connect(napi_env env, napi_callback_info info, const char *syscall,
                                  int (*call)(int, const struct sockaddr *, socklen_t)) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  struct sockaddr_un address;
  socklen_t length;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], syscall);
  if (handle == NULL || !read_address(env, args[1], &address, &length)) return NULL;
  int status;
  do status = call(handle->descriptor, (struct sockaddr *)&address, length);
  while (status < 0 && errno == EINTR);
  return status < 0 ? throw_system(env, syscall, errno) : NULL;
}

static napi_value bind_socket(napi_env env, napi_callback_info info) {
  return bind_or_connect(env, info, "bind", bind);
}

static napi_value connect_socket(napi_env env, napi_callback_info info) {
  return bind_or_connect(env, info, "connect", connect);
}

static napi_value listen_socket(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int backlog;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "listen");
  if (handle == NULL || !read_int(env, args[1], &backlog)) return NULL;
  return listen(handle->descriptor, backlog) < 0 ? throw_system(env, "listen", errno) : NULL;
}

static napi_value accept_socket(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "accept");
  if (handle == NULL) return NULL;
  int descriptor;
  do descriptor = accept4(handle->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  while (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (descriptor < 0 && errno == EAGAIN) return from_int(env, WOULD_BLOCK);
  return track_result(env, instance, descriptor, "accept");
}

static void close_received(struct instance *instance) {
  for (int index = 0; index < instance->received_count; index++) {
    struct handle *handle = find(instance, instance->received[index]);
    if (handle != NULL) close_handle(handle);
  }
  instance->received_count = 0;
}

/* Puts the descriptors that came with a message into the table; returns an error number. */
static int take_received(struct instance *instance, struct msghdr *message) {
  int error = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    /* An adopted socket may be set to bring a pidfd too, which nobody asked for. */
    bool is_surplus = part->cmsg_type == SCM_PIDFD;
    if (part->cmsg_level != SOL_SOCKET || (part->cmsg_type != SCM_RIGHTS && !is_surplus)) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; index++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(part) + index * sizeof descriptor, sizeof descriptor);
      if (is_surplus) {
        close(descriptor);
        continue;
      }
      int failed = track(instance, descriptor);
      if (failed == 0) instance->received[instance->received_count++] = descriptor;
      else error = failed;
    }
  }
  /* There is room for all that Linux sends: some are missing because this process may not have more open files. */
  if ((message->msg_flags & MSG_CTRUNC) != 0) error = EMFILE;
  if (error != 0) close_received(instance);
  return error;
}

/*
 * Returns how many bytes came, 0 at the end, WOULD_BLOCK, or below that `-1 - bytes` where descriptors came with them: told
 * apart by the sign, so that all that comes without needs no second call. Sets `error` to 0 or an error number.
 */
static int receive(struct instance *instance, struct handle *handle, struct iovec *parts, size_t count_parts, int *error) {
  union control control;
  struct msghdr message = {
      .msg_iov = parts, .msg_iovlen = count_parts, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t count;
  do count = recvmsg(handle->descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  *error = count < 0 && errno != EAGAIN ? errno : 0;
  if (count < 0) return WOULD_BLOCK;
  if (message.msg_controllen > 0 || (message.msg_flags & MSG_CTRUNC) != 0) *error = take_received(instance, &message);
  /* Bytes without the descriptors that came with them must not pass for all that was sent. */
  if (*error != 0) return WOULD_BLOCK;
  /* An empty datagram, or no room for bytes: the answer could not be told from others. */
  if (count == 0) close_received(instance);
  return instance->received_count > 0 ? WOULD_BLOCK - (int)count : (int)count;
}

static napi_value read_socket(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  struct iovec parts[2];
  size_t count_parts = 1;
  napi_valuetype type;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "recvmsg");
  if (handle == NULL || !read_bytes(env, args[1], &parts[0].iov_base, &parts[0].iov_len)) return NULL;
  if (napi_typeof(env, args[2], &type) != napi_ok) return NULL;
  if (type != napi_undefined) {
    if (!read_bytes(env, args[2], &parts[1].iov_base, &parts[1].iov_len)) return NULL;
    count_parts = 2;
  }
  if (instance->received_count > 0) {
    napi_throw_error(env, "ERR_INVALID_STATE", "the descriptors of the read before were not taken");
    return NULL;
  }
  /* What failed while it was looked for is told here, where it is caught. */
  int error = handle->error;
  handle->error = 0;
  int count = error != 0 ? WOULD_BLOCK : receive(instance, handle, parts, count_parts, &error);
  return error == 0 ? from_int(env, count) : throw_system(env, "recvmsg", error);
}

static napi_value take_descriptors(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], list;
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  if (napi_create_array_with_length(env, (size_t)instance->received_count, &list) != napi_ok) return NULL;
  for (int index = 0; index < instance->received_count; index++) {
    napi_value item = from_int(env, instance->received[index]);
    if (item == NULL || napi_set_element(env, list, (uint32_t)index, item) != napi_ok) return NULL;
  }
  instance->received_count = 0;
  return list;
}

/* Fills `control` with descriptors from an array; false when there is an exception. */
static bool put_descriptors(napi_env env, napi_value list, struct msghdr *message, char *control) {
  uint32_t count;
  if (napi_get_array_length(env, list, &count) != napi_ok || count == 0 || count > MAX_DESCRIPTORS) {
    throw_argument(env, "an array of 1 to 253 descriptors is needed");
    return false;
  }
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(count * sizeof(int));
  memset(control, 0, message->msg_controllen);
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  for (uint32_t index = 0; index < count; index++) {
    napi_value item;
    int descriptor;
    if (napi_get_element(env, list, index, &item) != napi_ok || !read_int(env, item, &descriptor)) return false;
    memcpy(CMSG_DATA(header) + index * sizeof descriptor, &descriptor, sizeof descriptor);
  }
  return true;
}

static napi_value write_socket(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], values[MAX_CHUNKS];
  struct instance *instance;
  struct iovec chunks[MAX_CHUNKS];
  uint32_t count;
  union control control;
  struct msghdr message = {.msg_iov = chunks};
  napi_valuetype type;
  if (!read_arguments(env, info, args, &instance) || napi_typeof(env, args[2], &type) != napi_ok) return NULL;
  if (type != napi_undefined && !put_descriptors(env, args[2], &message, control.bytes)) return NULL;
  bool is_one;
  if (napi_is_typedarray(env, args[1], &is_one) != napi_ok) return NULL;
  if (is_one) {
    count = 1;
    values[0] = args[1];
  } else {
    if (napi_get_array_length(env, args[1], &count) != napi_ok) return throw_argument(env, "an array is needed");
    if (count > MAX_CHUNKS) count = MAX_CHUNKS;
    for (uint32_t index = 0; index < count; index++) {
      if (napi_get_element(env, args[1], index, &values[index]) != napi_ok) return NULL;
    }
  }
  /* Elements may have run the caller's getters: what can be closed or freed is looked at only now. */
  struct handle *handle = read_handle(env, instance, args[0], "sendmsg");
  if (handle == NULL) return NULL;
  for (uint32_t index = 0; index < count; index++) {
    if (!read_bytes(env, values[index], &chunks[index].iov_base, &chunks[index].iov_len)) return NULL;
  }
  message.msg_iovlen = count;
  ssize_t written;
  do {
    written = count == 1 && message.msg_control == NULL
                  ? send(handle->descriptor, chunks[0].iov_base, chunks[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                  : sendmsg(handle->descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  while (written < 0 && errno == EINTR);
  if (written < 0) return errno == EAGAIN ? from_int(env, WOULD_BLOCK) : throw_system(env, "sendmsg", errno);
  return from_int(env, (int)written);
}

static napi_value shutdown_socket(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "shutdown");
  if (handle == NULL) return NULL;
  return shutdown(handle->descriptor, SHUT_WR) < 0 ? throw_system(env, "shutdown", errno) : NULL;
}

/* A listening socket: who connects from now on is refused, and who is in its queue stays there. unix(7) does not say so, but
   net/unix/af_unix.c does: unix_stream_connect looks at what unix_shutdown has set, under the same lock. */
static napi_value refuse(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "shutdown");
  if (handle == NULL) return NULL;
  return shutdown(handle->descriptor, SHUT_RD) < 0 ? throw_system(env, "shutdown", errno) : NULL;
}

static napi_value set_send_buffer(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int bytes;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "setsockopt");
  if (handle == NULL || !read_int(env, args[1], &bytes)) return NULL;
  int status = setsockopt(handle->descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return status < 0 ? throw_system(env, "setsockopt", errno) : NULL;
}

/* ---- readiness ---- */

/*
 * Returns what the owner wants next: AT_ONCE, nothing, or for so many microseconds to be told of more.
 *
 * @param count what `receive` brought, or WOULD_BLOCK when nothing was read
 */
static int call_ready(struct instance *instance, int descriptor, int events, double idle, int count) {
  napi_env env = instance->env;
  napi_handle_scope scope;
  napi_value callback, receiver, args[4], result, error;
  int next = 0;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return 0;
  if (napi_get_reference_value(env, instance->on_ready, &callback) == napi_ok &&
      napi_get_global(env, &receiver) == napi_ok && napi_create_int32(env, descriptor, &args[0]) == napi_ok &&
      napi_create_int32(env, events, &args[1]) == napi_ok && napi_create_double(env, idle, &args[2]) == napi_ok &&
      napi_create_int32(env, count, &args[3]) == napi_ok) {
    napi_status status = napi_make_callback(env, NULL, receiver, callback, 4, args, &result);
    if (status == napi_ok && napi_get_value_int32(env, result, &next) != napi_ok) next = 0;
    /* As with every callback of Node's: what nobody caught is the process's `uncaughtException`. */
    if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
  }
  napi_close_handle_scope(env, scope);
  return next;
}

/* Where to read what is looked for; false when there is none. */
static bool find_look_buffer(struct instance *instance, struct iovec *buffer) {
  napi_handle_scope scope;
  napi_value value;
  if (napi_open_handle_scope(instance->env, &scope) != napi_ok) return false;
  bool is_found = napi_get_reference_value(instance->env, instance->look_buffer, &value) == napi_ok &&
                  read_bytes(instance->env, value, &buffer->iov_base, &buffer->iov_len) && buffer->iov_len > 0;
  napi_close_handle_scope(instance->env, scope);
  return is_found;
}

/* Lets the other side, or whoever else can, have the processor; returns whether the event loop has anything else to do. */
static bool give_way(struct handle *handle) {
  struct pollfd loop = {.fd = uv_backend_fd(handle->poll.loop), .events = POLLIN};
  sched_yield();
  return poll(&loop, 1, 0) != 0;
}

/*
 * Waits awake until something has come, and reads it. Comes back at once when the event loop has anything else to do.
 * Returns whether the owner is to be told.
 */
static bool look_at_socket(struct handle *handle, uint64_t until, int *count) {
  struct instance *instance = handle->instance;
  struct pollfd loop = {.fd = uv_backend_fd(handle->poll.loop), .events = POLLIN};
  struct iovec buffer;
  if (instance->received_count > 0 || !find_look_buffer(instance, &buffer)) return false;
  do {
    sched_yield();
    *count = receive(instance, handle, &buffer, 1, &handle->error);
    if (*count != WOULD_BLOCK || handle->error != 0) return true;
    /* Looked at before, it would always have this socket to tell of. */
    if (poll(&loop, 1, 0) != 0) return false;
  } while (uv_hrtime() < until);
  return false;
}

static bool differ(const struct words *words) {
  return atomic_load_explicit(words->first, memory_order_acquire) !=
         atomic_load_explicit(words->second, memory_order_relaxed);
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* How many processors this thread may run on; many where the system has more than fit. */
static napi_value count_processors(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : CPU_SETSIZE;
  instance->is_alone = count == 1;
  return from_int(env, count);
}

/* The same for memory: most looks cost no system call. */
static bool look_at_words(struct handle *handle, uint64_t until) {
  if (uv_backend_timeout(handle->poll.loop) == 0) return differ(&handle->words);
  bool is_alone = handle->instance->is_alone;
  int looks = is_alone ? 1 : LOOKS_AT_FIRST;
  do {
    for (int turn = 0; turn < looks; turn++) {
      if (differ(&handle->words)) return true;
      relax();
    }
    if (give_way(handle)) return differ(&handle->words);
    if (!is_alone) looks = LOOKS_AT_ONCE;
  } while (uv_hrtime() < until);
  return false;
}

static void on_idle(uv_idle_t *idle);
static void on_poll(uv_poll_t *poller, int status, int events);
static void run_socket(struct handle *handle, int events, int count);

/* Behind all others. */
static void call_soon(struct handle *handle) {
  struct instance *instance = handle->instance;
  if (handle->is_soon || !instance->has_idle) return;
  if (instance->soon == NULL) uv_idle_start(&instance->idle, on_idle);
  struct handle **place = &instance->soon;
  while (*place != NULL) place = &(*place)->next_soon;
  *place = handle;
  handle->next_soon = NULL;
  handle->is_soon = true;
}

/*
 * Calls the owner of words as long as it finds something. It is told when nobody looks any more, so that it can ask the
 * other side to be woken; and it has its next turn when everything else has had one.
 */
static void run_words(struct handle *handle, int events) {
  struct instance *instance = handle->instance;
  uint64_t now = uv_hrtime();
  uint64_t end = now + MAX_RUN_NS;
  for (;;) {
    int next = call_ready(instance, handle->descriptor, events, (now - handle->idle_since) / 1e3, WOULD_BLOCK);
    if (handle->is_closed) return;
    now = uv_hrtime();
    if (events != OVER) handle->idle_since = now;
    if (next == 0) return;
    if (now >= end) break;
    events = LOOK;
    if (next != AT_ONCE && handle->words.mapping != NULL) {
      if (!look_at_words(handle, now + (uint64_t)next * 1000)) events = OVER;
      now = uv_hrtime();
    }
  }
  call_soon(handle);
}

static void on_idle(uv_idle_t *idle) {
  struct instance *instance = idle->data;
  struct handle *handle = instance->soon;
  if (handle != NULL) forget_soon(handle);
  if (instance->soon == NULL) uv_idle_stop(idle);
  if (handle == NULL) return;
  if (handle->words.mapping != NULL) {
    run_words(handle, LOOK);
    return;
  }
  /* That nothing else is to be done now is not asked: the loop has this descriptor still to tell the kernel of. */
  int count = WOULD_BLOCK;
  uint64_t until = uv_hrtime() + (uint64_t)handle->look_us * 1000;
  bool is_found = handle->is_watched_for_reading && look_at_socket(handle, until, &count);
  run_socket(handle, is_found ? UV_READABLE : OVER, count);
}

static void on_poll(uv_poll_t *poller, int status, int events) {
  struct handle *handle = poller->data;
  /* libuv has stopped watching because of an error, which reading or writing will name. */
  if (status < 0) {
    events = 0;
    handle->is_watched_for_reading = false;
  }
  if (handle->words.mapping != NULL) {
    run_words(handle, events);
    return;
  }
  /* What was to be looked for may be here. */
  forget_soon(handle);
  run_socket(handle, events, WOULD_BLOCK);
}

/*
 * Calls the owner of a socket, and looks for more for as long as it says.
 *
 * @param count of what has been read for it already, or WOULD_BLOCK
 */
static void run_socket(struct handle *handle, int events, int count) {
  struct instance *instance = handle->instance;
  uint64_t now = uv_hrtime();
  uint64_t end = now + MAX_RUN_NS;
  for (int turn = 0; turn < MAX_READS; turn++) {
    int next = call_ready(instance, handle->descriptor, events, (now - handle->idle_since) / 1e3, count);
    if (handle->is_closed) return;
    if (next == 0 || !handle->is_watched_for_reading) break;
    events = UV_READABLE;
    count = WOULD_BLOCK;
    if (next == AT_ONCE) continue;
    now = handle->idle_since = uv_hrtime();
    /* Timers and all others have their turn now and then, however much there is to find. */
    if (now >= end || uv_backend_timeout(handle->poll.loop) == 0) return;
    if (!look_at_socket(handle, now + (uint64_t)next * 1000, &count)) return;
    turn = 0;
    now = uv_hrtime();
  }
  handle->idle_since = uv_hrtime();
}

static napi_value on_ready(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  napi_valuetype type;
  if (napi_typeof(env, args[0], &type) != napi_ok || type != napi_function || instance->on_ready != NULL) {
    return throw_argument(env, "a function is needed, once");
  }
  void *bytes;
  size_t length;
  if (!read_bytes(env, args[1], &bytes, &length)) return NULL;
  if (napi_create_reference(env, args[0], 1, &instance->on_ready) != napi_ok ||
      napi_create_reference(env, args[1], 1, &instance->look_buffer) != napi_ok) {
    return throw_system(env, "onReady", ENOMEM);
  }
  return NULL;
}

static napi_value watch(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int events;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "epoll_ctl");
  if (handle == NULL || !read_int(env, args[1], &events)) return NULL;
  if (instance->on_ready == NULL || (events & ~(UV_READABLE | UV_WRITABLE | UV_DISCONNECT)) != 0) {
    return throw_argument(env, "events are 0 to 7, and onReady comes first");
  }
  int status = 0;
  if (!handle->has_poll) {
    uv_loop_t *loop;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) return throw_system(env, "epoll_ctl", ENOSYS);
    status = uv_poll_init(loop, &handle->poll, handle->descriptor);
    if (status != 0) return throw_system(env, "epoll_ctl", -status);
    handle->poll.data = handle;
    handle->has_poll = true;
  }
  handle->is_watched_for_reading = (events & UV_READABLE) != 0;
  status = events == 0 ? uv_poll_stop(&handle->poll) : uv_poll_start(&handle->poll, events, on_poll);
  return status == 0 ? NULL : throw_system(env, "epoll_ctl", -status);
}

static bool is_within(const struct memory *memory, const char *place) {
  const char *start = memory->start;
  return place >= start && place < start + memory->length;
}

static napi_value look_at(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int first, second;
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "lookAt");
  if (handle == NULL || !read_int(env, args[2], &first) || !read_int(env, args[3], &second)) return NULL;
  if (napi_get_typedarray_info(env, args[1], &type, &length, &data, NULL, NULL) != napi_ok || type != napi_int32_array ||
      first < 0 || second < 0 || (size_t)first >= length || (size_t)second >= length) {
    return throw_argument(env, "an Int32Array and two of its words are needed");
  }
  struct mapping *mapping = instance->mappings;
  while (mapping != NULL && !is_within(mapping->memory, data)) mapping = mapping->next;
  if (mapping == NULL) return throw_system(env, "lookAt", EINVAL);
  handle->words.mapping = mapping;
  handle->words.first = (const _Atomic uint32_t *)data + first;
  handle->words.second = (const _Atomic uint32_t *)data + second;
  return NULL;
}

static napi_value look_soon(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int us;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "lookSoon");
  if (handle == NULL || !read_int(env, args[1], &us)) return NULL;
  if (instance->on_ready == NULL || !handle->has_poll) return throw_argument(env, "watch comes first");
  if (!instance->has_idle) {
    uv_idle_init(handle->poll.loop, &instance->idle);
    instance->idle.data = instance;
    instance->has_idle = true;
  }
  handle->look_us = us < 0 ? 0 : us;
  handle->idle_since = uv_hrtime();
  call_soon(handle);
  return NULL;
}

/* ---- descriptors ---- */

static napi_value close_descriptor(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "close");
  if (handle != NULL) close_handle(handle);
  return NULL;
}

static napi_value release_descriptor(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  struct handle *handle = read_handle(env, instance, args[0], "release");
  if (handle != NULL) untrack(handle);
  return NULL;
}

static napi_value duplicate(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  return track_result(env, instance, fcntl(descriptor, F_DUPFD_CLOEXEC, 0), "fcntl");
}

static napi_value adopt(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  if (find(instance, descriptor) != NULL) return throw_system(env, "fcntl", EBUSY);
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0) {
    return throw_system(env, "fcntl", errno);
  }
  return track_result(env, instance, descriptor, "fcntl");
}

static napi_value lock(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor, status;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  do status = flock(descriptor, LOCK_EX | LOCK_NB);
  while (status < 0 && errno == EINTR);
  if (status < 0 && errno != EWOULDBLOCK) return throw_system(env, "flock", errno);
  return from_bool(env, status == 0);
}

/* poll(2) without waiting: whether one of these has happened. */
static napi_value poll_once(napi_env env, napi_callback_info info, short events) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  struct pollfd poller = {.events = events};
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &poller.fd)) return NULL;
  int status;
  do status = poll(&poller, 1, 0);
  while (status < 0 && errno == EINTR);
  if ((poller.revents & POLLNVAL) != 0) return throw_system(env, "poll", EBADF);
  return status < 0 ? throw_system(env, "poll", errno) : from_bool(env, (poller.revents & events) != 0);
}

static napi_value is_readable(napi_env env, napi_callback_info info) {
  return poll_once(env, info, POLLIN);
}

static napi_value is_hung_up(napi_env env, napi_callback_info info) {
  return poll_once(env, info, POLLHUP | POLLERR);
}

/* ---- what the kernel knows of a socket ---- */

static napi_value socket_option(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor, option, value = 0;
  socklen_t length = sizeof value;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  if (!read_int(env, args[1], &option)) return NULL;
  if (getsockopt(descriptor, SOL_SOCKET, option, &value, &length) < 0) return throw_system(env, "getsockopt", errno);
  return from_int(env, value);
}

static napi_value socket_name(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], name;
  struct instance *instance;
  int descriptor;
  struct sockaddr_un address;
  socklen_t length = sizeof address;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  if (getsockname(descriptor, (struct sockaddr *)&address, &length) < 0) return throw_system(env, "getsockname", errno);
  size_t offset = offsetof(struct sockaddr_un, sun_path);
  size_t size = length > offset ? length - offset : 0;
  /* A path of 108 bytes has no NUL there, but the length counts it. */
  if (size > sizeof address.sun_path) size = sizeof address.sun_path;
  return napi_create_buffer_copy(env, size, address.sun_path, NULL, &name) == napi_ok ? name : NULL;
}

/* Who connected to the socket that is the argument, or listened; false after an exception. */
static bool read_peer(napi_env env, napi_callback_info info, struct ucred *credentials) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor;
  socklen_t length = sizeof *credentials;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return false;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, &length) == 0) return true;
  throw_system(env, "getsockopt", errno);
  return false;
}

static napi_value peer_credentials(napi_env env, napi_callback_info info) {
  napi_value list, item;
  struct ucred credentials;
  if (!read_peer(env, info, &credentials)) return NULL;
  uint32_t values[] = {(uint32_t)credentials.pid, credentials.uid, credentials.gid};
  if (napi_create_array_with_length(env, 3, &list) != napi_ok) return NULL;
  for (uint32_t index = 0; index < 3; index++) {
    if (napi_create_uint32(env, values[index], &item) != napi_ok) return NULL;
    if (napi_set_element(env, list, index, item) != napi_ok) return NULL;
  }
  return list;
}

/* Whether the process that connected, or that listened, ran as this one's user. */
static napi_value is_same_user(napi_env env, napi_callback_info info) {
  struct ucred credentials;
  if (!read_peer(env, info, &credentials)) return NULL;
  return from_bool(env, credentials.uid == geteuid());
}

static napi_value peer_groups(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], list = NULL, item;
  struct instance *instance;
  int descriptor;
  gid_t *groups = NULL;
  socklen_t length = 0;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  /* The first call tells how many there are. */
  while (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0) {
    if (errno != ERANGE) {
      free(groups);
      return throw_system(env, "getsockopt", errno);
    }
    gid_t *grown = realloc(groups, length);
    if (grown == NULL) {
      free(groups);
      return throw_system(env, "getsockopt", ENOMEM);
    }
    groups = grown;
  }
  uint32_t count = groups == NULL ? 0 : (uint32_t)(length / sizeof *groups);
  bool is_made = napi_create_array_with_length(env, count, &list) == napi_ok;
  for (uint32_t index = 0; is_made && index < count; index++) {
    is_made = napi_create_uint32(env, groups[index], &item) == napi_ok &&
              napi_set_element(env, list, index, item) == napi_ok;
  }
  free(groups);
  return is_made ? list : NULL;
}

static napi_value peer_pidfd(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor, pidfd = -1;
  socklen_t length = sizeof pidfd;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) < 0) {
    return throw_system(env, "getsockopt", errno);
  }
  return track_result(env, instance, pidfd, "getsockopt");
}

/* ---- memory that processes share ---- */

/* All of it is there at once: memory that the system does not have later on would be a SIGBUS. */
static napi_value make_memory(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int bytes;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &bytes)) return NULL;
  int descriptor = memfd_create("earshot", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (descriptor < 0 && errno == EINVAL) descriptor = memfd_create("earshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return throw_system(env, "memfd_create", errno);
  int status = ftruncate(descriptor, bytes);
  /* A signal undoes all of a call: in pieces, something is done between two that come again and again. */
  for (int from = 0; status == 0 && from < bytes; from += ALLOCATED_AT_ONCE) {
    int count = bytes - from < ALLOCATED_AT_ONCE ? bytes - from : ALLOCATED_AT_ONCE;
    do status = fallocate(descriptor, 0, from, count);
    while (status < 0 && errno == EINTR);
  }
  if (status < 0) {
    int error = errno;
    close(descriptor);
    return throw_system(env, "fallocate", error);
  }
  return track_result(env, instance, descriptor, "memfd_create");
}

static napi_value add_seals(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor, seals;
  if (!read_arguments(env, info, args, &instance)) return NULL;
  if (!read_int(env, args[0], &descriptor) || !read_int(env, args[1], &seals)) return NULL;
  return fcntl(descriptor, F_ADD_SEALS, seals) < 0 ? throw_system(env, "fcntl", errno) : NULL;
}

static napi_value get_seals(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  int seals = fcntl(descriptor, F_GET_SEALS);
  return seals < 0 ? throw_system(env, "fcntl", errno) : from_int(env, seals);
}

static void disown(void *hint) {
  struct memory *memory = hint;
  if (atomic_fetch_sub(&memory->owners, 1) > 1) return;
  munmap(memory->start, memory->length);
  free(memory);
}

static void on_view_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  disown(hint);
}

static void forget_words(struct instance *instance, struct mapping *mapping) {
  for (int descriptor = 0; descriptor < instance->capacity; descriptor++) {
    struct handle *handle = instance->handles[descriptor];
    if (handle != NULL && handle->words.mapping == mapping) handle->words.mapping = NULL;
  }
}

static void let_go(struct mapping *mapping) {
  if (mapping->instance != NULL) {
    forget_words(mapping->instance, mapping);
    struct mapping **place = &mapping->instance->mappings;
    while (*place != mapping) place = &(*place)->next;
    *place = mapping->next;
  }
  disown(mapping->memory);
  mapping->memory = NULL;
}

static void on_collected(napi_env env, void *data, void *hint) {
  struct mapping *mapping = hint;
  (void)env;
  (void)data;
  if (mapping->memory != NULL) let_go(mapping);
  free(mapping);
}

/* Its ArrayBuffer, or NULL after an exception. */
static napi_value make_buffer(napi_env env, void *start, size_t length, napi_finalize on_end, void *hint) {
  napi_value buffer;
  napi_status status = napi_create_external_arraybuffer(env, start, length, on_end, hint, &buffer);
  if (status == napi_ok) return buffer;
  /* Some embedders keep all memory of V8 in one place. */
  return throw_system(env, "mmap", status == napi_no_external_buffers_allowed ? ENOTSUP : ENOMEM);
}

/* Those that are used come to the front, where they are found at once. */
static struct mapping *find_mapping(napi_env env, struct instance *instance, napi_value buffer) {
  void *start;
  size_t length;
  if (napi_get_arraybuffer_info(env, buffer, &start, &length) != napi_ok) return NULL;
  struct mapping **place = &instance->mappings;
  while (*place != NULL && (*place)->memory->start != start) place = &(*place)->next;
  struct mapping *found = *place;
  if (found == NULL) return NULL;
  *place = found->next;
  found->next = instance->mappings;
  instance->mappings = found;
  return found;
}

/* Private memory, and the file's in its place at the beginning; NULL, and errno says why, if it fails. */
static struct memory *map_both(int descriptor, size_t shared, size_t length) {
  struct memory *memory = malloc(sizeof *memory);
  if (memory == NULL) return NULL;
  void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
  if (start != MAP_FAILED && mmap(start, shared, PROT_READ | PROT_WRITE, flags, descriptor, 0) != MAP_FAILED) {
    *memory = (struct memory){.owners = 1, .start = start, .length = length};
    return memory;
  }
  int error = errno;
  if (start != MAP_FAILED) munmap(start, length);
  free(memory);
  errno = error;
  return NULL;
}

static napi_value map_memory(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  int descriptor, shared, own;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &descriptor)) return NULL;
  if (!read_int(env, args[1], &shared) || !read_int(env, args[2], &own)) return NULL;
  if (shared <= 0 || shared % sysconf(_SC_PAGESIZE) != 0 || own < 0) {
    return throw_argument(env, "shared memory is whole pages");
  }
  /* What is mapped and not there is a SIGBUS for who looks at it. */
  off_t size = lseek(descriptor, 0, SEEK_END);
  if (size < 0) return throw_system(env, "lseek", errno);
  if (size < shared) return throw_system(env, "mmap", EINVAL);
  struct mapping *mapping = malloc(sizeof *mapping);
  if (mapping == NULL) return throw_system(env, "mmap", ENOMEM);
  struct memory *memory = map_both(descriptor, (size_t)shared, (size_t)shared + (size_t)own);
  if (memory == NULL) {
    int error = errno;
    free(mapping);
    return throw_system(env, "mmap", error);
  }
  napi_value buffer = make_buffer(env, memory->start, memory->length, on_collected, mapping);
  if (buffer == NULL) {
    disown(memory);
    free(mapping);
    return NULL;
  }
  *mapping = (struct mapping){.instance = instance, .next = instance->mappings, .memory = memory};
  instance->mappings = mapping;
  return buffer;
}

/* What `view` makes and `detach` takes: see `binding.ts`. */
enum { COUNTED, UNCOUNTED, LOCKED };

static bool read_kind(napi_env env, napi_value value, int *kind) {
  if (!read_int(env, value, kind)) return false;
  if (*kind == COUNTED || ((*kind == UNCOUNTED || *kind == LOCKED) && can_make_uncounted_views())) return true;
  throw_argument(env, "a kind of view that can be made is needed");
  return false;
}

static napi_value view_memory(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], key, buffer;
  struct instance *instance;
  int bytes, kind;
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[1], &bytes)) return NULL;
  if (!read_kind(env, args[2], &kind) || napi_get_boolean(env, true, &key) != napi_ok) return NULL;
  struct mapping *mapping = find_mapping(env, instance, args[0]);
  if (mapping == NULL || bytes <= 0 || (size_t)bytes > mapping->memory->length) {
    return throw_argument(env, "mapped memory, and how much of it, are needed");
  }
  struct memory *memory = mapping->memory;
  atomic_fetch_add(&memory->owners, 1);
  if (kind == COUNTED) {
    buffer = make_buffer(env, memory->start, (size_t)bytes, on_view_collected, memory);
  } else {
    buffer = make_uncounted_view(memory->start, (size_t)bytes, disown, memory);
    if (buffer == NULL) throw_system(env, "mmap", ENOMEM);
  }
  if (buffer == NULL) disown(memory);
  else if (kind == LOCKED) lock_view(buffer, key);
  return buffer;
}

static bool read_buffer(napi_env env, napi_value value) {
  bool is_buffer;
  if (napi_is_arraybuffer(env, value, &is_buffer) == napi_ok && is_buffer) return true;
  throw_argument(env, "an ArrayBuffer is needed");
  return false;
}

static napi_value detach_view(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], key;
  struct instance *instance;
  int kind;
  if (!read_arguments(env, info, args, &instance) || !read_buffer(env, args[0])) return NULL;
  if (!read_kind(env, args[1], &kind) || napi_get_boolean(env, true, &key) != napi_ok) return NULL;
  if (kind == LOCKED) detach_locked_view(args[0], key);
  else if (napi_detach_arraybuffer(env, args[0]) != napi_ok) throw_system(env, "munmap", EBUSY);
  return NULL;
}

static napi_value unmap_memory(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS];
  struct instance *instance;
  if (!read_arguments(env, info, args, &instance) || !read_buffer(env, args[0])) return NULL;
  struct mapping *mapping = find_mapping(env, instance, args[0]);
  if (mapping == NULL) return throw_system(env, "munmap", EINVAL);
  /* First nobody can look any more; then it goes. */
  if (napi_detach_arraybuffer(env, args[0]) != napi_ok) return throw_system(env, "munmap", EBUSY);
  let_go(mapping);
  return NULL;
}

static napi_value make_socket_pair(napi_env env, napi_callback_info info) {
  napi_value args[MAX_ARGS], list;
  struct instance *instance;
  int type, pair[2];
  if (!read_arguments(env, info, args, &instance) || !read_int(env, args[0], &type)) return NULL;
  if (napi_create_array_with_length(env, 2, &list) != napi_ok) return NULL;
  if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
    return throw_system(env, "socketpair", errno);
  }
  int error = track(instance, pair[0]);
  if (error != 0) close(pair[1]);
  else {
    error = track(instance, pair[1]);
    if (error != 0) close_handle(find(instance, pair[0]));
  }
  if (error != 0) return throw_system(env, "socketpair", error);
  for (uint32_t index = 0; index < 2; index++) {
    napi_value item = from_int(env, pair[index]);
    if (item == NULL || napi_set_element(env, list, index, item) != napi_ok) return NULL;
  }
  return list;
}

/* ---- the module ---- */

NAPI_MODULE_INIT() {
  struct instance *instance = calloc(1, sizeof *instance);
  if (instance == NULL) return throw_system(env, "malloc", ENOMEM);
  instance->env = env;
  napi_value version = NULL, can_be_uncounted = NULL;
  if (napi_create_int32(env, ADDON_VERSION, &version) != napi_ok ||
      napi_get_boolean(env, can_make_uncounted_views(), &can_be_uncounted) != napi_ok) {
    free(instance);
    return throw_argument(env, "the module cannot be set up");
  }
#define FUNCTION(name, function) {name, NULL, function, NULL, NULL, NULL, napi_enumerable, instance}
  const napi_property_descriptor properties[] = {
      {"version", NULL, NULL, NULL, NULL, version, napi_enumerable, NULL},
      {"canBeUncounted", NULL, NULL, NULL, NULL, can_be_uncounted, napi_enumerable, NULL},
      FUNCTION("socket", make_socket),
      FUNCTION("bind", bind_socket),
      FUNCTION("listen", listen_socket),
      FUNCTION("accept", accept_socket),
      FUNCTION("connect", connect_socket),
      FUNCTION("read", read_socket),
      FUNCTION("takeDescriptors", take_descriptors),
      FUNCTION("write", write_socket),
      FUNCTION("shutdown", shutdown_socket),
      FUNCTION("refuse", refuse),
      FUNCTION("processors", count_processors),
      FUNCTION("setSendBuffer", set_send_buffer),
      FUNCTION("onReady", on_ready),
      FUNCTION("watch", watch),
      FUNCTION("close", close_descriptor),
      FUNCTION("release", release_descriptor),
      FUNCTION("duplicate", duplicate),
      FUNCTION("adopt", adopt),
      FUNCTION("lock", lock),
      FUNCTION("isReadable", is_readable),
      FUNCTION("isHungUp", is_hung_up),
      FUNCTION("socketOption", socket_option),
      FUNCTION("socketName", socket_name),
      FUNCTION("peerCredentials", peer_credentials),
      FUNCTION("isSameUser", is_same_user),
      FUNCTION("peerGroups", peer_groups),
      FUNCTION("peerPidfd", peer_pidfd),
      FUNCTION("socketPair", make_socket_pair),
      FUNCTION("makeMemory", make_memory),
      FUNCTION("addSeals", add_seals),
      FUNCTION("seals", get_seals),
      FUNCTION("map", map_memory),
      FUNCTION("view", view_memory),
      FUNCTION("detach", detach_view),
      FUNCTION("lookAt", look_at),
      FUNCTION("lookSoon", look_soon),
      FUNCTION("unmap", unmap_memory),
  };
  if (napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties) != napi_ok ||
      napi_add_async_cleanup_hook(env, on_teardown, instance, NULL) != napi_ok) {
    free(instance);
    return throw_argument(env, "the module cannot be set up");
  }
  return exports;
}
