/* Makes the Nth call of a kind fail, for files below a folder: preloaded into the process of sweep.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int calls, reached;
static char kind_wanted[16], folder[PATH_MAX];
static int nth, number;

/* kind: write, fsync, rename, open, read, truncate or unlink, or "" for none. which: from 1. error: an errno, or 0 for a
   write or read that does only half. */
void fault_arm(const char *kind, int which, int error, const char *below) {
    snprintf(kind_wanted, sizeof kind_wanted, "%s", kind);
    snprintf(folder, sizeof folder, "%s", below);
    nth = which;
    number = error;
    atomic_store(&calls, 0);
    atomic_store(&reached, 0);
}

int fault_reached(void) { return atomic_load(&reached); }

static int below(const char *path) {
    if (!*folder || !path) return 0;
    char whole[PATH_MAX * 2];
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
    }
    return strncmp(whole, folder, strlen(folder)) == 0;
}

static int below_handle(int handle) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 1 || path[0] != '/') return 0; /* pipes and the like */
    path[length] = 0;
    return below(path);
}

/* 0: go on; 1: fail with errno set; 2: do only a part. */
static int verdict(const char *kind) {
    if (strcmp(kind_wanted, kind)) return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != nth) return 0;
    atomic_store(&reached, 1);
    if (!number) return 2;
    errno = number;
    return 1;
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

ssize_t write(int handle, const void *data, size_t size) {
    int what = handle > 2 && below_handle(handle) ? verdict("write") : 0;
    if (what == 1) return -1;
    return REAL(write, handle, data, what == 2 && size > 1 ? size / 2 : size);
}

ssize_t writev(int handle, const struct iovec *parts, int count) {
    if (handle > 2 && below_handle(handle) && verdict("write") == 1) return -1;
    return REAL(writev, handle, parts, count);
}

ssize_t read(int handle, void *data, size_t size) {
    int what = below_handle(handle) ? verdict("read") : 0;
    if (what == 1) return -1;
    return REAL(read, handle, data, what == 2 && size > 1 ? size / 2 : size);
}

ssize_t pread64(int handle, void *data, size_t size, off64_t offset) {
    int what = below_handle(handle) ? verdict("read") : 0;
    if (what == 1) return -1;
    return REAL(pread64, handle, data, what == 2 && size > 1 ? size / 2 : size, offset);
}

int fsync(int handle) { return below_handle(handle) && verdict("fsync") ? -1 : REAL(fsync, handle); }

int ftruncate64(int handle, off64_t size) {
    return below_handle(handle) && verdict("truncate") ? -1 : REAL(ftruncate64, handle, size);
}

int rename(const char *old, const char *new) {
    return below(new) && verdict("rename") ? -1 : REAL(rename, old, new);
}

int unlink(const char *path) { return below(path) && verdict("unlink") ? -1 : REAL(unlink, path); }

static int opened(const char *name, const char *path, int flags, mode_t mode) {
    if (below(path) && verdict("open")) return -1;
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened("open64", path, flags, mode);
}
