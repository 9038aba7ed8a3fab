/*
 * kldload and kldunload.  Each command runs on a thread of its own, named as
 * the program would be, on the last CPU; at most one is under way.
 */

#include "kern_private.h"
#include <sys/module.h>

#define MAXNAME	64

struct kld {
	TAILQ_ENTRY(kld) link;
	char		name[MAXNAME];	/* the file's, without folder and .ko */
	struct ul_file	file;
	int		registered;	/* its MOD_LOAD returned 0 */
};

static TAILQ_HEAD(, kld) files = TAILQ_HEAD_INITIALIZER(files);
static _Atomic int busy;

static void
name_of(const char *path, char *name)
{
	const char *p;
	size_t length;

	for (p = path; *p != '\0'; ++p)
		if (*p == '/')
			path = p + 1;
	strlcpy(name, path, MAXNAME);
	length = strlen(name);
	if (length > 3 && strcmp(name + length - 3, ".ko") == 0)
		name[length - 3] = '\0';
}

static struct kld *
find(const char *path)
{
	char name[MAXNAME];
	struct kld *kld;

	name_of(path, name);
	TAILQ_FOREACH(kld, &files, link)
		if (strcmp(kld->name, name) == 0)
			break;
	return (kld);
}

static int
event(struct kld *kld, int type)
{
	const struct ul_module *module = kld->file.module;

	return (module->data->evhand((module_t)kld, type, module->data->priv));
}

static void
answer(const char *word, const char *fmt, ...)
{
	char text[1400];
	__va_list ap;

	__va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	__va_end(ap);
	ul_stop_if_panicked();
	busy = 0;
	ul_host_reply(word, text);
}

static void
forget(struct kld *kld)
{
	TAILQ_REMOVE(&files, kld, link);
	ul_host_close(&kld->file);
	ul_host_free(kld);
}

static void
load(const char *path)
{
	struct kld *kld;
	const struct ul_module *module;
	int error;

	if (find(path) != NULL) {
		answer("failed", "kldload: can't load %s: module already "
		    "loaded or in kernel", path);
		return;
	}
	kld = ul_host_alloc(sizeof(*kld));
	if (kld == NULL) {
		answer("failed", "kldload: can't load %s: Cannot allocate "
		    "memory", path);
		return;
	}
	name_of(path, kld->name);
	switch (ul_host_open(path, &kld->file)) {
	case UL_LOADED:
		break;
	case UL_NO_FILE:
		ul_host_free(kld);
		answer("failed", "kldload: can't load %s: No such file or "
		    "directory", path);
		return;
	case UL_UNDEFINED:
		kprintf("link_elf_obj_obj: symbol %s undefined\n",
		    kld->file.text);
		/* FALLTHROUGH */
	case UL_NOT_A_MODULE:
		kprintf("linker_load_file: Unsupported file type\n");
		ul_host_free(kld);
		answer("failed", "kldload: an error occurred while loading "
		    "the module. Please check dmesg(8) for more details.");
		return;
	}
	TAILQ_INSERT_TAIL(&files, kld, link);
	error = event(kld, MOD_LOAD);
	if (error != 0) {
		/* The file stays, as in the kernel; kldunload frees it. */
		event(kld, MOD_UNLOAD);
		module = kld->file.module;
		kprintf("module_register_init: MOD_LOAD (%s, %lx, 0) error "
		    "%d\n", module->data->name,
		    (unsigned long)(uintptr_t)module->data->evhand, error);
		answer("failed", "module_register_init: MOD_LOAD (%s, %lx, 0) "
		    "error %d", module->data->name,
		    (unsigned long)(uintptr_t)module->data->evhand, error);
		return;
	}
	kld->registered = 1;
	answer("loaded", "%s", kld->name);
}

static void
unload(const char *path)
{
	struct kld *kld;
	int error;

	if ((kld = find(path)) == NULL) {
		answer("failed", "kldunload: can't find file %s: No such file "
		    "or directory", path);
		return;
	}
	if (kld->registered && (error = event(kld, MOD_UNLOAD)) != 0) {
		answer("refused", "kldunload: can't unload file: %s (errno %d)",
		    error == EBUSY ? "Device busy" : "the module refused",
		    error);
		return;
	}
	forget(kld);
	answer("unloaded", "%s", path);
}

static void
kldload_main(void *arg)
{
	load(arg);
	ul_host_free(arg);
}

static void
kldunload_main(void *arg)
{
	unload(arg);
	ul_host_free(arg);
}

static void
start_load(void *arg)
{
	lwkt_create(kldload_main, arg, NULL, NULL, 0, -1, "kldload");
}

static void
start_unload(void *arg)
{
	lwkt_create(kldunload_main, arg, NULL, NULL, 0, -1, "kldunload");
}

static void
post(ipifunc1_t func, const char *path)
{
	size_t size = strlen(path) + 1;
	char *copy;

	if (busy || (copy = ul_host_alloc(size)) == NULL) {
		ul_host_reply("failed", busy ? "another command is under way" :
		    "no memory");
		return;
	}
	busy = 1;
	strlcpy(copy, path, size);
	ul_post_from_host(globaldata_find(ncpus - 1), func, copy);
}

void
ul_kern_kldload(const char *path)
{
	post(start_load, path);
}

void
ul_kern_kldunload(const char *name)
{
	post(start_unload, name);
}
