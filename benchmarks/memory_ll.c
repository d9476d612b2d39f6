/* The yardstick: a file system that answers from memory, in C, on libfuse's low-level API, in one thread.
 *
 *   memory_ll SOURCE MOUNTPOINT [--cached]
 *
 * SOURCE is a directory whose regular files and directories are copied into memory at the start, or
 * `synthetic:DxF`: D directories d0, d1, ... with F files f0, f1, ... each, which hold "file N\n".
 *
 * Nothing may be faster than this that does the same work: no locks, no system call but those that carry the request
 * and the reply, one hash look-up for a name.  Timeouts are 0 and files are opened direct_io; with --cached names and
 * attributes are cached for ever and contents are kept.
 *
 *   nodes[0] unused | nodes[1] root | nodes[2] ...          a node id is an index here
 *   buckets[hash(parent, name)] -> node -> node.chain -> 0  names
 *   node.children[position]     -> node, or 0 for a hole    a directory in order; position + 2 is the cookie
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct node {
    char *name;
    char *data;         /* of a file */
    uint32_t *children; /* of a directory */
    size_t size;        /* bytes of data */
    size_t capacity;    /* of data in bytes, of children in entries */
    uint64_t lookups;
    uint64_t generation;
    uint32_t count; /* children and holes */
    uint32_t parent;
    uint32_t position; /* in the parent's children */
    uint32_t chain;
    uint32_t opened;
    uint16_t mode;
    uint16_t links; /* 0: unlinked */
};

static struct node *nodes;
static uint32_t node_count, node_capacity, free_node; /* freed nodes are chained through .chain */
static uint32_t *buckets;
static uint32_t bucket_mask;
static double timeout;
static int cached;

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "memory_ll: out of memory\n");
        exit(1);
    }
    return p;
}

/* ------------------------------------------------------------------------------------------------ the tree */

static uint32_t hash(uint32_t parent, const char *name)
{
    uint32_t h = 2166136261u ^ parent * 2654435761u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h ^ h >> 15;
}

static void bucket_add(uint32_t n)
{
    uint32_t *head = &buckets[hash(nodes[n].parent, nodes[n].name) & bucket_mask];

    nodes[n].chain = *head;
    *head = n;
}

static void grow_buckets(uint32_t size)
{
    free(buckets);
    buckets = must(calloc(size, sizeof *buckets));
    bucket_mask = size - 1;
    for (uint32_t n = 2; n < node_count; n++)
        if (nodes[n].links)
            bucket_add(n);
}

static uint32_t find(uint32_t parent, const char *name)
{
    uint32_t n = buckets[hash(parent, name) & bucket_mask];

    while (n && (nodes[n].parent != parent || strcmp(nodes[n].name, name)))
        n = nodes[n].chain;
    return n;
}

static uint32_t new_node(void)
{
    uint32_t n = free_node;
    uint64_t generation;

    if (n) {
        free_node = nodes[n].chain;
    } else {
        if (node_count == node_capacity) {
            node_capacity = node_capacity ? node_capacity * 2 : 1024;
            nodes = must(realloc(nodes, node_capacity * sizeof *nodes));
        }
        n = node_count++;
        nodes[n].generation = 0;
    }
    generation = nodes[n].generation + 1;
    memset(&nodes[n], 0, sizeof *nodes);
    nodes[n].generation = generation;
    return n;
}

static uint32_t add(uint32_t parent, const char *name, uint16_t mode)
{
    uint32_t n = new_node();
    struct node *dir = &nodes[parent];

    if (dir->count == dir->capacity) {
        dir->capacity = dir->capacity ? dir->capacity * 2 : 16;
        dir->children = must(realloc(dir->children, dir->capacity * sizeof *dir->children));
    }
    nodes[n].name = must(strdup(name));
    nodes[n].mode = mode;
    nodes[n].links = S_ISDIR(mode) ? 2 : 1;
    nodes[n].parent = parent;
    nodes[n].position = dir->count;
    dir->children[dir->count++] = n;
    if (S_ISDIR(mode))
        dir->links++;
    if (node_count > bucket_mask)
        grow_buckets((bucket_mask + 1) * 2);
    else
        bucket_add(n);
    return n;
}

static void let_go(uint32_t n)
{
    struct node *node = &nodes[n];

    if (node->links || node->lookups || node->opened)
        return;
    free(node->name);
    free(node->data);
    node->name = node->data = NULL;
    node->chain = free_node;
    free_node = n;
}

static void detach(uint32_t n)
{
    struct node *dir = &nodes[nodes[n].parent];
    uint32_t *link = &buckets[hash(nodes[n].parent, nodes[n].name) & bucket_mask];

    while (*link != n)
        link = &nodes[*link].chain;
    *link = nodes[n].chain;
    dir->children[nodes[n].position] = 0;
    while (dir->count && !dir->children[dir->count - 1])
        dir->count--;
    nodes[n].links = 0;
    let_go(n);
}

static int resize(struct node *node, size_t size)
{
    if (size > node->capacity) {
        size_t capacity = size > 2 * node->capacity ? size : 2 * node->capacity;
        char *data = realloc(node->data, capacity);

        if (!data)
            return ENOSPC;
        node->data = data;
        node->capacity = capacity;
    }
    if (size > node->size)
        memset(node->data + node->size, 0, size - node->size);
    node->size = size;
    return 0;
}

static void load_file(uint32_t n, int dirfd, const char *name, size_t size)
{
    int fd = openat(dirfd, name, O_RDONLY);
    size_t at = 0;
    ssize_t got = 1;

    if (fd < 0 || resize(&nodes[n], size)) {
        perror(name);
        exit(1);
    }
    while (at < size && (got = read(fd, nodes[n].data + at, size - at)) > 0)
        at += (size_t)got;
    if (got < 0)
        perror(name);
    close(fd);
}

static void load_directory(uint32_t n, int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *d;

    if (!dir) {
        perror("memory_ll: source");
        exit(1);
    }
    while ((d = readdir(dir))) {
        struct stat st;

        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
            fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            uint32_t below = add(n, d->d_name, S_IFDIR | 0755);

            load_directory(below, openat(fd, d->d_name, O_RDONLY | O_DIRECTORY));
        } else if (S_ISREG(st.st_mode)) {
            load_file(add(n, d->d_name, S_IFREG | 0644), fd, d->d_name, (size_t)st.st_size);
        }
    }
    closedir(dir);
}

static void load_synthetic(unsigned dirs, unsigned files)
{
    char text[32];

    for (unsigned d = 0; d < dirs; d++) {
        uint32_t dir;

        snprintf(text, sizeof text, "d%u", d);
        dir = add(FUSE_ROOT_ID, text, S_IFDIR | 0755);
        for (unsigned f = 0; f < files; f++) {
            uint32_t n;
            int length;

            snprintf(text, sizeof text, "f%u", f);
            n = add(dir, text, S_IFREG | 0644);
            length = snprintf(text, sizeof text, "file %u\n", d * files + f);
            if (resize(&nodes[n], (size_t)length))
                exit(1);
            memcpy(nodes[n].data, text, (size_t)length);
        }
    }
}

static void load(const char *source)
{
    unsigned dirs, files;

    nodes = NULL;
    new_node(); /* node id 0 does not exist */
    new_node();
    nodes[FUSE_ROOT_ID].mode = S_IFDIR | 0755;
    nodes[FUSE_ROOT_ID].links = 2;
    nodes[FUSE_ROOT_ID].parent = FUSE_ROOT_ID;
    grow_buckets(1024);
    if (sscanf(source, "synthetic:%ux%u", &dirs, &files) == 2)
        load_synthetic(dirs, files);
    else
        load_directory(FUSE_ROOT_ID, open(source, O_RDONLY | O_DIRECTORY));
}

/* ------------------------------------------------------------------------------------------------- requests */

static void fill_stat(struct stat *st, uint32_t n)
{
    memset(st, 0, sizeof *st);
    st->st_ino = n;
    st->st_mode = nodes[n].mode;
    st->st_nlink = nodes[n].links;
    st->st_size = (off_t)nodes[n].size;
    st->st_blocks = (blkcnt_t)((nodes[n].size + 511) / 512);
    st->st_uid = getuid();
    st->st_gid = getgid();
}

static void fill_entry(struct fuse_entry_param *e, uint32_t n)
{
    memset(e, 0, sizeof *e);
    e->ino = n;
    e->generation = nodes[n].generation;
    e->attr_timeout = e->entry_timeout = timeout;
    fill_stat(&e->attr, n);
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    uint32_t n = find((uint32_t)parent, name);
    struct fuse_entry_param e;

    if (!n) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    nodes[n].lookups++;
    fill_entry(&e, n);
    fuse_reply_entry(req, &e);
}

static void forget(uint32_t n, uint64_t lookups)
{
    nodes[n].lookups -= lookups < nodes[n].lookups ? lookups : nodes[n].lookups;
    let_go(n);
}

static void on_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
    forget((uint32_t)ino, lookups);
    fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        forget((uint32_t)forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;

    (void)fi;
    fill_stat(&st, (uint32_t)ino);
    fuse_reply_attr(req, &st, timeout);
}

static void on_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int which, struct fuse_file_info *fi)
{
    int error = 0;

    if (which & FUSE_SET_ATTR_SIZE)
        error = resize(&nodes[ino], (size_t)attr->st_size);
    if (error)
        fuse_reply_err(req, error);
    else
        on_getattr(req, ino, fi);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fi->direct_io = !cached;
    fi->keep_cache = !!cached;
    nodes[ino].opened++;
    if (fuse_reply_open(req, fi) == -ENOENT)
        nodes[ino].opened--;
}

static void on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    nodes[ino].opened--;
    let_go((uint32_t)ino);
    fuse_reply_err(req, 0);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
    struct node *node = &nodes[ino];
    size_t rest = (size_t)at < node->size ? node->size - (size_t)at : 0;

    (void)fi;
    fuse_reply_buf(req, rest ? node->data + at : NULL, rest < size ? rest : size);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t at, struct fuse_file_info *fi)
{
    struct node *node = &nodes[ino];
    int error = 0;

    (void)fi;
    if ((size_t)at + size > node->size)
        error = resize(node, (size_t)at + size);
    if (error) {
        fuse_reply_err(req, error);
        return;
    }
    memcpy(node->data + at, data, size);
    fuse_reply_write(req, size);
}

static void on_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct fuse_entry_param e;
    uint32_t n;

    if (find((uint32_t)parent, name)) {
        fuse_reply_err(req, EEXIST);
        return;
    }
    n = add((uint32_t)parent, name, (uint16_t)(S_IFREG | (mode & 07777)));
    nodes[n].lookups++;
    nodes[n].opened++;
    fi->direct_io = !cached;
    fill_entry(&e, n);
    fuse_reply_create(req, &e, fi);
}

static void on_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    uint32_t n = find((uint32_t)parent, name);

    if (n && S_ISDIR(nodes[n].mode)) {
        fuse_reply_err(req, EISDIR);
        return;
    }
    if (n)
        detach(n);
    fuse_reply_err(req, n ? 0 : ENOENT);
}

static void on_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->cache_readdir = fi->keep_cache = !!cached;
    fuse_reply_open(req, fi);
}

static void read_directory(fuse_req_t req, uint32_t ino, size_t size, off_t at, int plus)
{
    static char buffer[1 << 20];
    size_t used = 0;

    if (size > sizeof buffer)
        size = sizeof buffer;
    for (; at < (off_t)nodes[ino].count + 2; at++) {
        uint32_t n = at == 0 ? ino : at == 1 ? nodes[ino].parent : nodes[ino].children[at - 2];
        const char *name = at == 0 ? "." : at == 1 ? ".." : nodes[n].name;
        size_t length;

        if (!n)
            continue;
        if (plus) {
            struct fuse_entry_param e;

            fill_entry(&e, n);
            if (at < 2)
                e.ino = 0; /* `.` and `..` are not looked up */
            length = fuse_add_direntry_plus(req, buffer + used, size - used, name, &e, at + 1);
        } else {
            struct stat st = { .st_ino = n, .st_mode = nodes[n].mode };

            length = fuse_add_direntry(req, buffer + used, size - used, name, &st, at + 1);
        }
        if (length > size - used)
            break;
        used += length;
        if (plus && at >= 2)
            nodes[n].lookups++;
    }
    fuse_reply_buf(req, buffer, used);
}

static void on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
    (void)fi;
    read_directory(req, (uint32_t)ino, size, at, 0);
}

static void on_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
    (void)fi;
    read_directory(req, (uint32_t)ino, size, at, 1);
}

/* What these three answer is no use to anybody: they are there for what a request costs. */
static void on_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int wait)
{
    (void)ino, (void)fi, (void)lock, (void)wait;
    fuse_reply_err(req, 0);
}

static void on_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
    (void)ino, (void)fi;
    lock->l_type = F_UNLCK;
    fuse_reply_lock(req, lock);
}

static void on_lseek(fuse_req_t req, fuse_ino_t ino, off_t at, int whence, struct fuse_file_info *fi)
{
    (void)ino, (void)fi, (void)whence;
    fuse_reply_lseek(req, at);
}

static void on_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned command, void *argument, struct fuse_file_info *fi,
                     unsigned flags, const void *data, size_t size, size_t out_size)
{
    (void)ino, (void)command, (void)argument, (void)fi, (void)flags, (void)data, (void)size, (void)out_size;
    fuse_reply_ioctl(req, 7, NULL, 0);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = on_lookup,
    .forget = on_forget,
    .forget_multi = on_forget_multi,
    .getattr = on_getattr,
    .setattr = on_setattr,
    .open = on_open,
    .release = on_release,
    .read = on_read,
    .write = on_write,
    .create = on_create,
    .unlink = on_unlink,
    .opendir = on_opendir,
    .readdir = on_readdir,
    .readdirplus = on_readdirplus,
    .setlk = on_setlk,
    .getlk = on_getlk,
    .lseek = on_lseek,
    .ioctl = on_ioctl,
};

int main(int argc, char **argv)
{
    int rings = argc == 4 && !strcmp(argv[3], "--rings");
    char *arguments[] = { argv[0], rings ? "-ofsname=memory_ll,io_uring" : "-ofsname=memory_ll", NULL };
    struct fuse_args args = FUSE_ARGS_INIT(2, arguments);
    struct fuse_session *se;
    int status = 1;

    if (argc < 3 || argc > 4 || (argc == 4 && !rings && strcmp(argv[3], "--cached"))) {
        fprintf(stderr, "usage: memory_ll SOURCE MOUNTPOINT [--cached | --rings]\n");
        return 2;
    }
    cached = argc == 4 && !rings;
    timeout = cached ? 86400.0 * 365 : 0;
    load(argv[1]);
    se = fuse_session_new(&args, &operations, sizeof operations, NULL);
    if (!se)
        return 1;
    if (fuse_set_signal_handlers(se) == 0) {
        if (fuse_session_mount(se, argv[2]) == 0) {
            status = fuse_session_loop(se) < 0;
            fuse_session_unmount(se);
        }
        fuse_remove_signal_handlers(se);
    }
    fuse_session_destroy(se);
    fuse_opt_free_args(&args);
    return status;
}
