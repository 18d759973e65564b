// What the fault campaign puts between seald and the C library: the nth call of a kind on a path below the root fails, or ends the process; and the
// wall clock jumps. Built and preloaded by examples/campaign/faults.rs. Everything is asked of the kernel directly, so nothing here can recur.
//
//   FAULTS="write 12 3 5"   the 12th to 14th write below the root fail with errno 5 (EIO); errno -1: SIGKILL; -2: half of it is written, then SIGKILL
//   FAULTS_ROOT=/root/of/it  FAULTS_TOLD=/file/outside that gets a line for each call that failed
//   FAULTS_CLOCK="200 -7200"  from the 200th look at it on, the wall clock is two hours behind
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define KILL (-1)
#define TORN (-2)

static int mine;
static char kind[16], root[PATH_MAX], told[PATH_MAX];
static long nth, count, what, clock_nth, clock_by;
static atomic_long seen, clock_seen;

static void copy(char *to, size_t size, const char *from) {
  if (from) snprintf(to, size, "%s", from);
}

// The daemon alone: what it starts inherits the owner's number, which is not its own.
__attribute__((constructor)) static void begin(void) {
  char own[32];
  snprintf(own, sizeof own, "%d", getpid());
  if (getenv("FAULTS_OWNER")) return;
  setenv("FAULTS_OWNER", own, 1);
  copy(root, sizeof root, getenv("FAULTS_ROOT"));
  copy(told, sizeof told, getenv("FAULTS_TOLD"));
  const char *plan = getenv("FAULTS"), *clock = getenv("FAULTS_CLOCK");
  if (plan && sscanf(plan, "%15s %ld %ld %ld", kind, &nth, &count, &what) == 4) mine = 1;
  if (clock) sscanf(clock, "%ld %ld", &clock_nth, &clock_by);
}

static void tell(const char *path, long number) {
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s %ld %ld %s\n", kind, number, what, path);
  long file = syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  syscall(SYS_write, file, line, (size_t)length);
  syscall(SYS_close, file);
}

// 0: goes on; else the errno, or TORN.
static long strikes(const char *call, const char *path) {
  if (strncmp(path, root, strlen(root)) != 0) return 0;
  long number = atomic_fetch_add(&seen, 1) + 1;
  if (number < nth || number >= nth + count) return 0;
  tell(path, number);
  if (what == KILL) syscall(SYS_kill, getpid(), SIGKILL);
  (void)call;
  return what;
}

static int is_kind(const char *call) { return mine && strcmp(call, kind) == 0; }

static long on_fd(const char *call, int fd) {
  if (!is_kind(call)) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strikes(call, path);
}

// A name that begins with a descriptor is spelled out.
static long on_path(const char *call, int dir, const char *name) {
  if (!is_kind(call)) return 0;
  char path[2 * PATH_MAX], folder[PATH_MAX];
  long number = dir, used = 0;
  if (sscanf(name, "/proc/self/fd/%ld%ln", &number, &used) < 1) used = 0;
  if (name[0] == '/' && used == 0) return strikes(call, name);
  if (number < 0) return 0;
  snprintf(path, sizeof path, "/proc/self/fd/%ld", number);
  long length = syscall(SYS_readlinkat, AT_FDCWD, path, folder, sizeof folder - 1);
  if (length <= 0) return 0;
  folder[length] = 0;
  snprintf(path, sizeof path, "%s/%s", folder, name + used);
  return strikes(call, path);
}

#define FAIL_FD(call, fd)                  \
  long fails = on_fd(call, fd);            \
  if (fails > 0) { errno = (int)fails; return -1; }
#define FAIL_PATH(call, dir, name)         \
  long fails = on_path(call, dir, name);   \
  if (fails) { errno = fails > 0 ? (int)fails : EIO; return -1; }

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

ssize_t write(int fd, const void *bytes, size_t length) {
  FAIL_FD("write", fd)
  if (fails == TORN) { syscall(SYS_write, fd, bytes, length / 2); die(); }
  return syscall(SYS_write, fd, bytes, length);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  FAIL_FD("write", fd)
  if (fails == TORN) { syscall(SYS_pwrite64, fd, bytes, length / 2, at); die(); }
  return syscall(SYS_pwrite64, fd, bytes, length, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int number) {
  FAIL_FD("write", fd)
  if (fails == TORN) die();
  return syscall(SYS_writev, fd, parts, number);
}
ssize_t read(int fd, void *bytes, size_t length) {
  FAIL_FD("read", fd)
  return syscall(SYS_read, fd, bytes, length);
}
ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
  FAIL_FD("read", fd)
  return syscall(SYS_pread64, fd, bytes, length, at);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t at) { return pread64(fd, bytes, length, at); }
int fsync(int fd) { FAIL_FD("sync", fd) return (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { FAIL_FD("sync", fd) return (int)syscall(SYS_fdatasync, fd); }
int ftruncate64(int fd, off64_t length) { FAIL_FD("write", fd) return (int)syscall(SYS_ftruncate, fd, length); }
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  FAIL_PATH("rename", b, to)
  return (int)syscall(SYS_renameat2, a, from, b, to, flags);
}
int renameat(int a, const char *from, int b, const char *to) { return renameat2(a, from, b, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
  FAIL_PATH("rename", b, to)
  return (int)syscall(SYS_linkat, a, from, b, to, flags);
}
int unlinkat(int dir, const char *name, int flags) {
  FAIL_PATH("unlink", dir, name)
  return (int)syscall(SYS_unlinkat, dir, name, flags);
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int mkdirat(int dir, const char *name, mode_t mode) {
  FAIL_PATH("open", dir, name)
  return (int)syscall(SYS_mkdirat, dir, name, mode);
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
int symlinkat(const char *target, int dir, const char *name) {
  FAIL_PATH("rename", dir, name)
  return (int)syscall(SYS_symlinkat, target, dir, name);
}
int symlink(const char *target, const char *name) { return symlinkat(target, AT_FDCWD, name); }

static int open_at(int dir, const char *name, int flags, mode_t mode) {
  FAIL_PATH("open", dir, name)
  return (int)syscall(SYS_openat, dir, name, flags, mode);
}
#define MODE                                                                   \
  mode_t mode = 0;                                                             \
  if (flags & (O_CREAT | O_TMPFILE)) {                                         \
    va_list more;                                                              \
    va_start(more, flags);                                                     \
    mode = va_arg(more, mode_t);                                               \
    va_end(more);                                                              \
  }
int open(const char *name, int flags, ...) { MODE return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return open_at(AT_FDCWD, name, flags, mode); }
int openat(int dir, const char *name, int flags, ...) { MODE return open_at(dir, name, flags, mode); }
int openat64(int dir, const char *name, int flags, ...) { MODE return open_at(dir, name, flags, mode); }

// Memory: anonymous mappings of a mebibyte and more.
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
  if (is_kind("map") && (flags & MAP_ANONYMOUS) && length >= 1 << 20 && strikes("map", root)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap64(at, length, protection, flags, fd, offset);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int done = (int)syscall(SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME && clock_nth && atomic_fetch_add(&clock_seen, 1) + 1 >= clock_nth) now->tv_sec += clock_by;
  return done;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *out) {
  struct timespec exact;
  if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
  if (out) *out = exact.tv_sec;
  return exact.tv_sec;
}
