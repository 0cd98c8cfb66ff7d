/* Makes calls of the file system fail, for tests: loaded before libc (LD_PRELOAD), armed through `fault_arm`.

   A call counts where its path begins with the root and contains the pattern; the n-th such call fails with the error
   given, and with `rest` all after it as well, as on a disk that is full. Calls that write below the root can be logged
   instead, one "CALL PATH" a line. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char root[4096], pattern[4096], call[32];
static int armed, logging = -1, countdown, code, rest, hits;

void fault_arm(const char *below, const char *part, const char *kind, int nth, int error, int all_after) {
  snprintf(root, sizeof root, "%s", below);
  snprintf(pattern, sizeof pattern, "%s", part);
  snprintf(call, sizeof call, "%s", kind);
  countdown = nth, code = error, rest = all_after, hits = 0;
  __sync_synchronize();
  armed = 1;
}

void fault_log(const char *below, const char *file) {
  snprintf(root, sizeof root, "%s", below);
  logging = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

int fault_disarm(void) {
  armed = 0;
  if (logging >= 0) syscall(SYS_close, logging);
  logging = -1;
  return hits;
}

static int fails(const char *kind, const char *path) {
  if ((!armed && logging < 0) || !path || strncmp(path, root, strlen(root))) return 0;
  if (logging >= 0) {
    char line[8300];
    int size = snprintf(line, sizeof line, "%s %s\n", kind, path);
    syscall(SYS_write, logging, line, size);
    return 0;
  }
  if (strcmp(kind, call) || !strstr(path + strlen(root), pattern)) return 0;
  int left = __sync_sub_and_fetch(&countdown, 1);
  if (left > 0 || (left < 0 && !rest)) return 0;
  __sync_add_and_fetch(&hits, 1);
  errno = code;
  return 1;
}

static int fails_at(const char *kind, int descriptor) {
  char link[64], path[4096];
  if (!armed && logging < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return fails(kind, path);
}

static const char *whole(const char *path, char *buffer, size_t size) {
  char here[2048];
  if (!path || path[0] == '/' || !getcwd(here, sizeof here)) return path;
  snprintf(buffer, size, "%s/%s", here, path);
  return buffer;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define MODE(flags) mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, int); va_end(more); }
#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    char buffer[6200]; MODE(flags); REAL(int, #name, const char *, int, ...); \
    if (fails(flags & (O_WRONLY | O_RDWR | O_CREAT) ? "open" : "read", whole(path, buffer, sizeof buffer))) return -1; \
    return real(path, flags, mode); }
OPEN(open) OPEN(open64)
#define OPENAT(name) \
  int name(int folder, const char *path, int flags, ...) { \
    char buffer[6200]; MODE(flags); REAL(int, #name, int, const char *, int, ...); \
    if (fails(flags & (O_WRONLY | O_RDWR | O_CREAT) ? "open" : "read", whole(path, buffer, sizeof buffer))) return -1; \
    return real(folder, path, flags, mode); }
OPENAT(openat) OPENAT(openat64)

FILE *fopen(const char *path, const char *how) {
  char buffer[6200]; REAL(FILE *, "fopen", const char *, const char *);
  return fails(strpbrk(how, "wa+") ? "open" : "read", whole(path, buffer, sizeof buffer)) ? NULL : real(path, how); }
ssize_t write(int d, const void *b, size_t n) {
  REAL(ssize_t, "write", int, const void *, size_t); return fails_at("write", d) ? -1 : real(d, b, n); }
ssize_t pwrite(int d, const void *b, size_t n, off_t o) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t); return fails_at("write", d) ? -1 : real(d, b, n, o); }
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t); return fails_at("write", d) ? -1 : real(d, b, n, o); }
struct iovec;
ssize_t writev(int d, const struct iovec *b, int n) {
  REAL(ssize_t, "writev", int, const struct iovec *, int); return fails_at("write", d) ? -1 : real(d, b, n); }
ssize_t pwritev(int d, const struct iovec *b, int n, off_t o) {
  REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t); return fails_at("write", d) ? -1 : real(d, b, n, o); }
int fsync(int d) { REAL(int, "fsync", int); return fails_at("sync", d) ? -1 : real(d); }
int fdatasync(int d) { REAL(int, "fdatasync", int); return fails_at("sync", d) ? -1 : real(d); }
int ftruncate(int d, off_t n) { REAL(int, "ftruncate", int, off_t); return fails_at("write", d) ? -1 : real(d, n); }
int ftruncate64(int d, off64_t n) { REAL(int, "ftruncate64", int, off64_t); return fails_at("write", d) ? -1 : real(d, n); }
int rename(const char *a, const char *b) {
  char buffer[6200]; REAL(int, "rename", const char *, const char *);
  return fails("rename", whole(b, buffer, sizeof buffer)) ? -1 : real(a, b); }
int renameat(int x, const char *a, int y, const char *b) {
  char buffer[6200]; REAL(int, "renameat", int, const char *, int, const char *);
  return fails("rename", whole(b, buffer, sizeof buffer)) ? -1 : real(x, a, y, b); }
int mkdir(const char *path, mode_t mode) {
  char buffer[6200]; REAL(int, "mkdir", const char *, mode_t);
  return fails("mkdir", whole(path, buffer, sizeof buffer)) ? -1 : real(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
  char buffer[6200]; REAL(int, "mkdirat", int, const char *, mode_t);
  return fails("mkdir", whole(path, buffer, sizeof buffer)) ? -1 : real(folder, path, mode); }
