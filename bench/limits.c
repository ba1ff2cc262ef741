/*
 * What the machine can do: two processes with blocking sockets, and memory that is copied. No library, no framing, no event
 * loop: the limit for whatever goes over sockets. Prints JSON.
 *
 *   limits round-trip BYTES MS   one message after the other; up to 1,024 bytes come back, more are answered with 2 bytes
 *   limits bulk BYTES MS         one after the other, each answered with 2 bytes
 *   limits memcpy BYTES MS       one copy after the other
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES 2000000
#define ECHO_BYTES 1024

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now_us(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_MONOTONIC, &time) != 0) fail("clock_gettime");
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static char *memory(size_t bytes) {
  char *found = malloc(bytes);
  if (found == NULL) fail("malloc");
  /* So that its pages are there. */
  memset(found, 'x', bytes);
  return found;
}

static void write_all(int fd, const char *bytes, size_t left) {
  while (left > 0) {
    ssize_t written = write(fd, bytes, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes += written;
    left -= (size_t)written;
  }
}

/* 0 at the end of input. */
static int read_all(int fd, char *bytes, size_t left) {
  while (left > 0) {
    ssize_t got = read(fd, bytes, left);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read");
    if (got == 0) return 0;
    bytes += got;
    left -= (size_t)got;
  }
  return 1;
}

static int ascending(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double quantile(const double *sorted, size_t count, double part) {
  size_t index = (size_t)((double)count * part);
  return sorted[index < count ? index : count - 1];
}

/* Samples of one exchange after the other, in ascending order; the first tenth of the time is to get warm. */
static size_t exchange(int fd, size_t bytes, double ms, double *samples, double *total_us) {
  char *message = memory(bytes);
  char reply[ECHO_BYTES];
  size_t reply_bytes = bytes <= ECHO_BYTES ? bytes : 2;
  size_t count = 0;
  double began = now_us(), warm = began + ms * 100, end = began + ms * 1000, before = began;
  while ((before < end || count == 0) && count < MAX_SAMPLES) {
    double after;
    write_all(fd, message, bytes);
    if (!read_all(fd, reply, reply_bytes)) fail("the other side has gone");
    after = now_us();
    if (before >= warm || after >= end) {
      samples[count++] = after - before;
      *total_us += after - before;
    }
    before = after;
  }
  free(message);
  qsort(samples, count, sizeof(double), ascending);
  return count;
}

static void answer(int fd, size_t bytes) {
  char *message = memory(bytes);
  size_t reply_bytes = bytes <= ECHO_BYTES ? bytes : 2;
  while (read_all(fd, message, bytes)) write_all(fd, message, reply_bytes);
  free(message);
}

static void sockets(size_t bytes, double ms, int is_bulk) {
  int ends[2];
  pid_t child;
  double total_us = 0;
  double *samples = malloc(MAX_SAMPLES * sizeof(double));
  size_t count;
  if (samples == NULL) fail("malloc");
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("socketpair");
  child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(ends[0]);
    answer(ends[1], bytes);
    _exit(0);
  }
  close(ends[1]);
  count = exchange(ends[0], bytes, ms, samples, &total_us);
  close(ends[0]);
  if (waitpid(child, NULL, 0) < 0) fail("waitpid");
  if (is_bulk) {
    printf("{\"gbPerSecond\":%.4f}\n", (double)bytes * (double)count / total_us / 1e3);
  } else {
    printf("{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f}\n", quantile(samples, count, 0.5), quantile(samples, count, 0.99),
           quantile(samples, count, 0.999));
  }
  free(samples);
}

static void copies(size_t bytes, double ms) {
  char *from = memory(bytes), *to = memory(bytes);
  size_t count = 0;
  double began = now_us(), took;
  do {
    from[count % bytes] = (char)count;
    memcpy(to, from, bytes);
    /* So that the compiler believes that somebody reads it. */
    __asm__ volatile("" : : "r"(to) : "memory");
    count++;
    took = now_us() - began;
  } while (took < ms * 1000);
  printf("{\"gbPerSecond\":%.4f}\n", (double)bytes * (double)count / took / 1e3);
  free(from);
  free(to);
}

int main(int argc, char **argv) {
  size_t bytes;
  double ms;
  if (argc != 4 || (bytes = strtoull(argv[2], NULL, 10)) == 0 || (ms = strtod(argv[3], NULL)) <= 0) {
    fprintf(stderr, "usage: limits round-trip|bulk|memcpy BYTES MS\n");
    return 2;
  }
  if (strcmp(argv[1], "round-trip") == 0) sockets(bytes, ms, 0);
  else if (strcmp(argv[1], "bulk") == 0) sockets(bytes, ms, 1);
  else if (strcmp(argv[1], "memcpy") == 0) copies(bytes, ms);
  else return 2;
  return 0;
}
