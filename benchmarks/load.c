/* The load generator: performs one file operation over and over, from one or several client processes, and counts.
 *
 *   load OPERATION ROOT [--clients N] [--seconds S] [--warmup S] [--once] [--cpu N]
 *                       [--size BYTES] [--order seq|rand] [--server PID]
 *
 * Prints one line of JSON: operations, seconds, operations per second, bytes per second, the median and the 99th
 * percentile of one operation in microseconds, the clients' own CPU seconds and, if a process id was given with
 * --server, that process's CPU seconds in the measured interval.
 *
 * What it promises:
 *   - the operations are those that its name says and nothing else: no libc streams, no opendir(3), no fts(3);
 *   - an operation that fails, or a read that is short where the file is long enough, ends the run with exit status 1;
 *   - what runs during the warm-up is not counted; an operation begun in the measured interval is counted whole;
 *   - the clients die with it.
 *
 * What it expects below ROOT: `small`, a file of 4096 bytes; `missing`, which does not exist; `data`, a large file;
 * `sink`, a large file that may be written; `dir`, a directory.  An operation only needs what it names.  `ioctl` wants
 * _IO('f', 4) on `data` to answer 7.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 64, LISTING_BYTES = 64 << 10, SMALL_BYTES = 4096, SUB_BITS = 6, BUCKETS = 64 << SUB_BITS };

/* Written by one client, read by the parent after that client's end. */
struct result {
    uint64_t operations;
    uint64_t bytes;
    uint64_t elapsed_ns;
    double user_seconds;
    double system_seconds;
    uint32_t histogram[BUCKETS]; /* of nanoseconds; see bucket_of() */
};

struct shared {
    atomic_int ready;   /* clients that wait for the gate */
    int64_t measure_ns; /* CLOCK_MONOTONIC; set before the gate opens */
    int64_t finish_ns;
    struct result results[MAX_CLIENTS];
};

struct settings {
    const char *operation;
    const char *root;
    int clients;
    double seconds;
    double warmup;
    int once;
    int cpu; /* -1: anywhere */
    size_t size;
    int random_order;
    int server;
};

/* What one client needs for its operation. */
struct client {
    const struct settings *settings;
    int number;
    int root_fd;
    int file_fd;
    char *buffer;
    uint64_t span; /* how many blocks of `size` the file has */
    uint64_t next; /* sequential: the block to come */
    uint64_t random;
    uint64_t bytes; /* moved so far */
    char name[32];  /* of the file that this client creates */
};

/* Returns how many operations it did: 1, except for those that visit a tree.  Ends the process on failure. */
typedef uint64_t operation_fn(struct client *c);

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void complain(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------- the operations */

static uint64_t do_stat(struct client *c)
{
    struct stat st;

    if (fstatat(c->root_fd, "small", &st, 0) < 0)
        die("stat small");
    return 1;
}

static uint64_t do_fstat(struct client *c)
{
    struct stat st;

    if (fstat(c->file_fd, &st) < 0)
        die("fstat small");
    return 1;
}

static uint64_t do_lookup_missing(struct client *c)
{
    struct stat st;

    if (fstatat(c->root_fd, "missing", &st, 0) == 0)
        complain("missing is not missing");
    if (errno != ENOENT)
        die("stat missing");
    return 1;
}

static uint64_t do_open_read_close(struct client *c)
{
    int fd = openat(c->root_fd, "small", O_RDONLY);

    if (fd < 0)
        die("open small");
    if (read(fd, c->buffer, SMALL_BYTES) <= 0)
        die("read small");
    if (close(fd) < 0)
        die("close small");
    c->bytes += SMALL_BYTES;
    return 1;
}

static uint64_t do_create_unlink(struct client *c)
{
    int fd = openat(c->root_fd, c->name, O_CREAT | O_EXCL | O_WRONLY, 0644);

    if (fd < 0)
        die("create");
    if (close(fd) < 0)
        die("close what was created");
    if (unlinkat(c->root_fd, c->name, 0) < 0)
        die("unlink");
    return 1;
}

static uint64_t do_readdir(struct client *c)
{
    int fd = openat(c->root_fd, "dir", O_RDONLY | O_DIRECTORY);
    long n;

    if (fd < 0)
        die("open dir");
    while ((n = syscall(SYS_getdents64, fd, c->buffer, (size_t)LISTING_BYTES)) > 0)
        c->bytes += n;
    if (n < 0)
        die("read dir");
    close(fd);
    return 1;
}

struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

/* Visits everything below the open directory fd, which it closes: a stat of each entry; with `contents` each file is
 * read as well.  Returns the number of entries. */
static uint64_t visit(struct client *c, int fd, int contents)
{
    char *listing = malloc(LISTING_BYTES);
    uint64_t visited = 0;
    long n;

    if (!listing)
        die("malloc");
    while ((n = syscall(SYS_getdents64, fd, listing, (size_t)LISTING_BYTES)) > 0) {
        for (long at = 0; at < n;) {
            struct linux_dirent64 *d = (struct linux_dirent64 *)(listing + at);
            struct stat st;

            at += d->d_reclen;
            if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
                continue;
            if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                die(d->d_name);
            visited++;
            if (S_ISDIR(st.st_mode)) {
                int below = openat(fd, d->d_name, O_RDONLY | O_DIRECTORY);

                if (below < 0)
                    die(d->d_name);
                visited += visit(c, below, contents);
            } else if (contents && S_ISREG(st.st_mode)) {
                int file = openat(fd, d->d_name, O_RDONLY);
                long got;

                if (file < 0)
                    die(d->d_name);
                while ((got = read(file, c->buffer, LISTING_BYTES)) > 0)
                    c->bytes += got;
                if (got < 0)
                    die(d->d_name);
                close(file);
            }
        }
    }
    if (n < 0)
        die("read a directory");
    free(listing);
    close(fd);
    return visited;
}

static uint64_t visit_all(struct client *c, int contents)
{
    int fd = openat(c->root_fd, ".", O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        die("open the root");
    return visit(c, fd, contents);
}

static uint64_t do_walk(struct client *c) { return visit_all(c, 0); }

static uint64_t do_walk_reading(struct client *c) { return visit_all(c, 1); }

static off_t next_offset(struct client *c)
{
    uint64_t block;

    if (c->settings->random_order) {
        c->random ^= c->random << 13; /* xorshift64 */
        c->random ^= c->random >> 7;
        c->random ^= c->random << 17;
        block = c->random % c->span;
    } else {
        block = c->next;
        c->next = block + 1 == c->span ? 0 : block + 1;
    }
    return (off_t)(block * c->settings->size);
}

static uint64_t do_read(struct client *c)
{
    ssize_t n = pread(c->file_fd, c->buffer, c->settings->size, next_offset(c));

    if (n < 0)
        die("read data");
    if ((size_t)n != c->settings->size)
        complain("read data: short");
    c->bytes += n;
    return 1;
}

static uint64_t do_write(struct client *c)
{
    ssize_t n = pwrite(c->file_fd, c->buffer, c->settings->size, next_offset(c));

    if (n < 0)
        die("write sink");
    if ((size_t)n != c->settings->size)
        complain("write sink: short");
    c->bytes += n;
    return 1;
}

/* A byte of its own for each client, so that nobody is in the way. */
static uint64_t do_lock(struct client *c)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = c->number, .l_len = 1 };

    if (fcntl(c->file_fd, F_SETLK, &lock) < 0)
        die("lock sink");
    lock.l_type = F_UNLCK;
    if (fcntl(c->file_fd, F_SETLK, &lock) < 0)
        die("unlock sink");
    return 1;
}

static uint64_t do_lseek(struct client *c)
{
    if (lseek(c->file_fd, 0, SEEK_DATA) != 0)
        die("seek for data");
    return 1;
}

static uint64_t do_ioctl(struct client *c)
{
    if (ioctl(c->file_fd, _IO('f', 4)) != 7)
        die("ioctl of data");
    return 1;
}

static const struct operation {
    const char *name;
    operation_fn *run;
    const char *file; /* opened before the gate, if any */
    int flags;
} operations[] = {
    { "stat", do_stat, NULL, 0 },
    { "fstat", do_fstat, "small", O_RDONLY },
    { "lookup-missing", do_lookup_missing, NULL, 0 },
    { "open-read-close", do_open_read_close, NULL, 0 },
    { "create-unlink", do_create_unlink, NULL, 0 },
    { "readdir", do_readdir, NULL, 0 },
    { "walk", do_walk, NULL, 0 },
    { "walk-reading", do_walk_reading, NULL, 0 },
    { "read", do_read, "data", O_RDONLY },
    { "write", do_write, "sink", O_WRONLY },
    { "lock", do_lock, "sink", O_RDWR },
    { "lseek", do_lseek, "data", O_RDONLY },
    { "ioctl", do_ioctl, "data", O_RDONLY },
};

/* ----------------------------------------------------------------------------------------------- one client */

/* Buckets of a logarithmic histogram: 2**SUB_BITS of them for each power of two, so that a value is known to 1.6 %. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned log;

    if (ns < (1u << SUB_BITS))
        return (unsigned)ns;
    log = 63 - (unsigned)__builtin_clzll(ns);
    return ((log - SUB_BITS + 1) << SUB_BITS) + (unsigned)((ns >> (log - SUB_BITS)) & ((1u << SUB_BITS) - 1));
}

static double bucket_middle(unsigned bucket)
{
    unsigned log = bucket >> SUB_BITS, rest = bucket & ((1u << SUB_BITS) - 1);

    if (log == 0)
        return bucket;
    return ((double)((1u << SUB_BITS) + rest) + 0.5) * (double)(UINT64_C(1) << (log - 1));
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

static void pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("pin to a core");
}

static void prepare(struct client *c, const struct operation *op)
{
    size_t bytes = c->settings->size > LISTING_BYTES ? c->settings->size : LISTING_BYTES;

    /* aligned as a page, for the benefit of a server that moves pages */
    if (posix_memalign((void **)&c->buffer, 4096, bytes) != 0)
        die("memory");
    memset(c->buffer, 'x', bytes);
    c->root_fd = open(c->settings->root, O_RDONLY | O_DIRECTORY);
    if (c->root_fd < 0)
        die(c->settings->root);
    snprintf(c->name, sizeof c->name, "new.%d", c->number);
    c->random = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(c->number + 1);
    if (op->file) {
        struct stat st;

        c->file_fd = openat(c->root_fd, op->file, op->flags);
        if (c->file_fd < 0 || fstat(c->file_fd, &st) < 0)
            die(op->file);
        c->span = (uint64_t)st.st_size / c->settings->size;
        if (!c->span)
            complain("the file is smaller than one block");
        c->next = c->span * (uint64_t)c->number / (uint64_t)c->settings->clients;
    }
}

static void run_client(struct client *c, const struct operation *op, struct shared *shared, int gate)
{
    struct result *r = &shared->results[c->number];
    struct rusage before, after;
    int64_t at, begun;
    uint64_t bytes_before;
    char token;

    pin(c->settings->cpu);
    prepare(c, op);
    atomic_fetch_add(&shared->ready, 1);
    if (read(gate, &token, 1) != 1)
        exit(1);

    if (!c->settings->once)
        while (now_ns() < shared->measure_ns)
            op->run(c);
    getrusage(RUSAGE_SELF, &before);
    bytes_before = c->bytes;
    begun = at = now_ns();
    do {
        uint64_t n = op->run(c);
        int64_t then = at;

        at = now_ns();
        r->operations += n;
        if (n)
            r->histogram[bucket_of((uint64_t)(at - then) / n)]++;
    } while (!c->settings->once && at < shared->finish_ns);
    r->elapsed_ns = (uint64_t)(at - begun);
    r->bytes = c->bytes - bytes_before;
    getrusage(RUSAGE_SELF, &after);
    r->user_seconds = seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
    r->system_seconds = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
}

/* ---------------------------------------------------------------------------------------------- the parent */

/* User and system seconds of a process and all its threads; 0 if it is gone. */
static void cpu_of(int pid, double *user, double *system)
{
    char path[64], text[1024], *rest;
    unsigned long u = 0, s = 0;
    size_t n = 0;
    FILE *f;

    *user = *system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    rest = strrchr(text, ')'); /* the name before it may hold anything */
    if (rest && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s) == 2) {
        *user = (double)u / (double)sysconf(_SC_CLK_TCK);
        *system = (double)s / (double)sysconf(_SC_CLK_TCK);
    }
}

static void sleep_until(int64_t ns)
{
    struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static double percentile(const struct result *results, int clients, double share)
{
    uint64_t total = 0, seen = 0;

    for (int pass = 0; pass < 2; pass++)
        for (unsigned b = 0; b < BUCKETS; b++)
            for (int i = 0; i < clients; i++) {
                if (pass == 0)
                    total += results[i].histogram[b];
                else if ((double)(seen += results[i].histogram[b]) >= share * (double)total)
                    return bucket_middle(b) / 1000;
            }
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: load OPERATION ROOT [--clients N] [--seconds S] [--warmup S] [--once] [--cpu N]\n"
                    "            [--size BYTES] [--order seq|rand] [--server PID]\noperations:");
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        fprintf(stderr, " %s", operations[i].name);
    fprintf(stderr, "\n");
    return 2;
}

static int parse(int argc, char **argv, struct settings *s)
{
    if (argc < 3)
        return -1;
    s->operation = argv[1];
    s->root = argv[2];
    for (int i = 3; i < argc; i++) {
        const char *key = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(key, "--once")) {
            s->once = 1;
            continue;
        }
        if (!value)
            return -1;
        i++;
        if (!strcmp(key, "--clients"))
            s->clients = atoi(value);
        else if (!strcmp(key, "--seconds"))
            s->seconds = atof(value);
        else if (!strcmp(key, "--warmup"))
            s->warmup = atof(value);
        else if (!strcmp(key, "--cpu"))
            s->cpu = atoi(value);
        else if (!strcmp(key, "--size"))
            s->size = strtoul(value, NULL, 0);
        else if (!strcmp(key, "--order") && (!strcmp(value, "seq") || !strcmp(value, "rand")))
            s->random_order = value[0] == 'r';
        else if (!strcmp(key, "--server"))
            s->server = atoi(value);
        else
            return -1;
    }
    return s->clients >= 1 && s->clients <= MAX_CLIENTS && s->size >= 1 && s->seconds > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct settings s = { .clients = 1, .seconds = 1, .warmup = 0.2, .cpu = -1, .size = 4096 };
    const struct operation *op = NULL;
    struct shared *shared;
    int gate[2], failed = 0, running;
    double user0 = 0, system0 = 0, user1 = 0, system1 = 0;
    double rate = 0, byte_rate = 0, user = 0, sys = 0, longest = 0;
    uint64_t total = 0;

    if (parse(argc, argv, &s) < 0)
        return usage();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (!strcmp(operations[i].name, s.operation))
            op = &operations[i];
    if (!op)
        return usage();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(gate) < 0)
        die("set up");

    for (int i = 0; i < s.clients; i++) {
        pid_t pid = fork();

        if (pid < 0)
            die("fork");
        if (pid == 0) {
            struct client c = { .settings = &s, .number = i, .file_fd = -1 };

            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(gate[1]);
            run_client(&c, op, shared, gate[0]);
            _exit(0);
        }
    }
    close(gate[0]);
    running = s.clients;
    while (atomic_load(&shared->ready) < s.clients && !failed) {
        int status;

        if (waitpid(-1, &status, WNOHANG) > 0) { /* nobody ends before the gate is open, but in failure */
            failed = 1;
            running--;
        }
        sleep_until(now_ns() + 200000);
    }
    if (!failed) {
        char tokens[MAX_CLIENTS] = { 0 };

        shared->measure_ns = now_ns() + (int64_t)(s.warmup * 1e9);
        shared->finish_ns = shared->measure_ns + (int64_t)(s.seconds * 1e9);
        if (s.once && s.server)
            cpu_of(s.server, &user0, &system0);
        if (write(gate[1], tokens, (size_t)s.clients) != s.clients)
            die("open the gate");
        if (s.server && !s.once) {
            sleep_until(shared->measure_ns);
            cpu_of(s.server, &user0, &system0);
            sleep_until(shared->finish_ns);
            cpu_of(s.server, &user1, &system1);
        }
    }
    close(gate[1]);
    while (running > 0) {
        int status;

        if (waitpid(-1, &status, 0) < 0)
            break;
        running--;
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    if (failed)
        return 1;
    if (s.once && s.server)
        cpu_of(s.server, &user1, &system1);

    for (int i = 0; i < s.clients; i++) {
        const struct result *r = &shared->results[i];
        double elapsed = (double)r->elapsed_ns * 1e-9;

        total += r->operations;
        rate += (double)r->operations / elapsed;
        byte_rate += (double)r->bytes / elapsed;
        user += r->user_seconds;
        sys += r->system_seconds;
        longest = elapsed > longest ? elapsed : longest;
    }
    printf("{\"operation\": \"%s\", \"clients\": %d, \"operations\": %" PRIu64 ", \"seconds\": %.6f, "
           "\"operations_per_second\": %.1f, \"bytes_per_second\": %.0f, \"median_us\": %.2f, \"p99_us\": %.2f, "
           "\"client_user_seconds\": %.4f, \"client_system_seconds\": %.4f, "
           "\"server_user_seconds\": %.2f, \"server_system_seconds\": %.2f}\n",
           op->name, s.clients, total, longest, rate, byte_rate, percentile(shared->results, s.clients, 0.5),
           percentile(shared->results, s.clients, 0.99), user, sys, user1 - user0, system1 - system0);
    return 0;
}
