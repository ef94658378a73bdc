/* Stands between a process and the disk (LD_PRELOAD). It fails the n-th write or sync of files below a folder, or writes down each.

   SHIM_UNDER   only files whose path begins so
   SHIM_AT      which call fails, counted from 1 (0: none)
   SHIM_LAST    and all calls up to this one (-1: all that follow)
   SHIM_ERROR   the errno it fails with
   SHIM_KIND    "write": writes and truncations; "sync": syncs; "all": both
   SHIM_COUNT   a file that gets one byte for each counted call
   SHIM_TRACE   a file that gets each call: see struct entry. Writes to the standard output are in it, too, for the order */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long calls;

static int under(int descriptor) {
    const char *folder = getenv("SHIM_UNDER");
    char link[64], path[4096];
    if (!folder) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(int descriptor, int is_sync) {
    int before = errno, result = 0;
    const char *kind = getenv("SHIM_KIND");
    if (kind && strcmp(kind, "all") && (strcmp(kind, "sync") == 0) != is_sync) return 0;
    if (!under(descriptor)) { errno = before; return 0; }
    pthread_mutex_lock(&lock);
    long number = ++calls;
    pthread_mutex_unlock(&lock);
    const char *count = getenv("SHIM_COUNT");
    if (count) {
        int file = syscall(SYS_openat, AT_FDCWD, count, O_WRONLY | O_APPEND | O_CREAT, 0600);
        if (file >= 0) { syscall(SYS_write, file, ".", 1); close(file); }
    }
    long at = atol(getenv("SHIM_AT") ? getenv("SHIM_AT") : "0");
    long last = atol(getenv("SHIM_LAST") ? getenv("SHIM_LAST") : "0");
    if (at && number >= at && (last < 0 || number <= (last ? last : at))) {
        result = 1;
        errno = atoi(getenv("SHIM_ERROR"));
    } else errno = before;
    return result;
}

struct entry { int64_t kind, at, length, path_length; };  /* then the path, then what was written */

static void trace(char kind, const char *path, off_t at, const void *bytes, size_t length) {
    const char *name = getenv("SHIM_TRACE");
    int file = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0) return;
    struct entry entry = {kind, at, length, strlen(path)};
    struct iovec parts[3] = {{&entry, sizeof entry}, {(void *)path, strlen(path)}, {(void *)bytes, bytes ? length : 0}};
    if (writev(file, parts, 3) < 0) abort();
    syscall(SYS_close, file);
}

static int traced(int descriptor, char *path) {
    if (!getenv("SHIM_TRACE")) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, 4095);
    if (length < 0) return 0;
    path[length] = 0;
    if (descriptor == 1) strcpy(path, "stdout");
    return descriptor == 1 || under(descriptor);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define TRACED(call, kind, at, bytes, length, good) \
    char path[4096]; \
    int before = errno; \
    if (!traced(file, path)) { errno = before; return call; } \
    errno = before; \
    pthread_mutex_lock(&lock); \
    off_t place = at; \
    __typeof__(call) result = call; \
    int after = errno; \
    if (good) trace(kind, path, place, bytes, length); \
    pthread_mutex_unlock(&lock); \
    errno = after; \
    return result

static off_t place_of(int file) {
    struct stat status;
    if (fcntl(file, F_GETFL) & O_APPEND) return fstat(file, &status) ? 0 : status.st_size;
    off_t at = lseek(file, 0, SEEK_CUR);
    return at < 0 ? 0 : at;
}

ssize_t write(int file, const void *bytes, size_t length) {
    REAL(write);
    if (fails(file, 0)) return -1;
    TRACED(real(file, bytes, length), 'w', place_of(file), bytes, (size_t)result, result > 0);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    REAL(pwrite);
    if (fails(file, 0)) return -1;
    TRACED(real(file, bytes, length, at), 'w', at, bytes, (size_t)result, result > 0);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    REAL(pwrite64);
    if (fails(file, 0)) return -1;
    TRACED(real(file, bytes, length, at), 'w', at, bytes, (size_t)result, result > 0);
}

int ftruncate(int file, off_t length) {
    REAL(ftruncate);
    if (fails(file, 0)) return -1;
    TRACED(real(file, length), 't', length, NULL, 0, result == 0);
}

int ftruncate64(int file, off64_t length) {
    REAL(ftruncate64);
    if (fails(file, 0)) return -1;
    TRACED(real(file, length), 't', length, NULL, 0, result == 0);
}

int fsync(int file) {
    REAL(fsync);
    if (fails(file, 1)) return -1;
    TRACED(real(file), 's', 0, NULL, 0, result == 0);
}

int fdatasync(int file) {
    REAL(fdatasync);
    if (fails(file, 1)) return -1;
    TRACED(real(file), 's', 0, NULL, 0, result == 0);
}

int unlink(const char *name) {
    REAL(unlink);
    const char *folder = getenv("SHIM_UNDER");
    int result = real(name);
    if (!result && getenv("SHIM_TRACE") && folder && !strncmp(name, folder, strlen(folder))) trace('u', name, 0, NULL, 0);
    return result;
}
