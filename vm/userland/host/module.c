/* Loadable modules, and the memory image: the writable data of all loaded. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_private.h"
#include "ul_abi.h"

#define MAXSEGMENTS	64

/* The writable segments of loaded modules, each with its file's handle. */
static struct segment {
	void		*handle;
	const volatile char *start;
	size_t		size;
} segments[MAXSEGMENTS];
static pthread_mutex_t segments_mutex = PTHREAD_MUTEX_INITIALIZER;

static void
note_segment(void *handle, uintptr_t start, size_t size)
{
	int n;

	for (n = 0; n < MAXSEGMENTS; ++n)
		if (segments[n].handle == NULL) {
			segments[n].handle = handle;
			segments[n].start = (const volatile char *)start;
			segments[n].size = size;
			return;
		}
	fprintf(stderr, "too many segments: the memory image lacks some\n");
}

static int
note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct ul_file *file = arg;
	uintptr_t inside = (uintptr_t)file->module, start;
	int mine = 0, n;

	(void)size;
	for (n = 0; n < info->dlpi_phnum; ++n) {
		start = info->dlpi_addr + info->dlpi_phdr[n].p_vaddr;
		if (info->dlpi_phdr[n].p_type == PT_LOAD && inside >= start &&
		    inside - start < info->dlpi_phdr[n].p_memsz)
			mine = 1;
	}
	for (n = 0; mine && n < info->dlpi_phnum; ++n)
		if (info->dlpi_phdr[n].p_type == PT_LOAD &&
		    (info->dlpi_phdr[n].p_flags & PF_W))
			note_segment(file->handle,
			    info->dlpi_addr + info->dlpi_phdr[n].p_vaddr,
			    info->dlpi_phdr[n].p_memsz);
	return (mine);
}

/* The symbol in what the dynamic linker said, or NULL: glibc, musl, BSD. */
static int
undefined_symbol(const char *said, char *symbol, size_t size)
{
	static const char *const before[] = {
		"ndefined symbol: ", "ndefined symbol \"", "relocating "
	};
	const char *p = NULL;
	size_t length, n;

	for (n = 0; p == NULL && n < sizeof(before) / sizeof(before[0]); ++n)
		if ((p = strstr(said, before[n])) != NULL)
			p += strlen(before[n]);
	if (p != NULL && n == sizeof(before) / sizeof(before[0]))
		p = strstr(p, ": ") != NULL ? strstr(p, ": ") + 2 : NULL;
	if (p == NULL)
		return (0);
	length = strcspn(p, " ,:\"\n");
	if (length == 0 || length >= size)
		return (0);
	memcpy(symbol, p, length);
	symbol[length] = '\0';
	return (1);
}

/* All of a buffer into a file; 0, or -1 and errno. */
static int
write_all(int fd, const char *from, size_t size)
{
	ssize_t written;

	for (; size > 0; from += written, size -= (size_t)written) {
		written = write(fd, from, size);
		if (written < 0)
			return (-1);
	}
	return (0);
}

/* A copy of a file beside it, under a name that goes into `name'. */
static int
copy_file(const char *path, char *name, size_t size)
{
	char buffer[4096];
	ssize_t got = -1;
	int from, status = -1, to;

	if ((size_t)snprintf(name, size, "%s.XXXXXX", path) >= size ||
	    (to = mkstemp(name)) < 0)
		return (-1);
	if ((from = open(path, O_RDONLY)) >= 0) {
		while ((got = read(from, buffer, sizeof(buffer))) > 0 &&
		    (status = write_all(to, buffer, (size_t)got)) == 0)
			continue;
		close(from);
	}
	if (close(to) != 0 || got != 0 || status != 0) {
		unlink(name);
		return (-1);
	}
	return (0);
}

/*
 * Each load has a module's data as they are in its file.  Where dlclose() keeps
 * what was loaded once, as musl's does, the next load is of a copy.
 */
static void *
open_afresh(const char *path)
{
	char name[PATH_MAX];
	void *handle;

	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
	if (handle == NULL)
		return (dlopen(path, RTLD_NOW | RTLD_LOCAL));
	dlclose(handle);
	if (copy_file(path, name, sizeof(name)) != 0) {
		fprintf(stderr, "%s: a copy of it cannot be made: %s\n", path,
		    strerror(errno));
		return (NULL);
	}
	handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	unlink(name);
	return (handle);
}

enum ul_load
ul_host_open(const char *path, struct ul_file *file)
{
	const char *said;

	if (access(path, R_OK) != 0)
		return (UL_NO_FILE);
	file->handle = open_afresh(path);
	if (file->handle == NULL) {
		said = dlerror();
		if (said == NULL)
			said = "dlopen failed";
		if (undefined_symbol(said, file->text, sizeof(file->text)))
			return (UL_UNDEFINED);
		fprintf(stderr, "%s\n", said);
		return (UL_NOT_A_MODULE);
	}
	file->module = dlsym(file->handle, "ul_module");
	if (file->module == NULL) {
		dlclose(file->handle);
		return (UL_NOT_A_MODULE);
	}
	pthread_mutex_lock(&segments_mutex);
	dl_iterate_phdr(note_object, file);
	pthread_mutex_unlock(&segments_mutex);
	return (UL_LOADED);
}

void
ul_host_close(struct ul_file *file)
{
	int n;

	pthread_mutex_lock(&segments_mutex);
	for (n = 0; n < MAXSEGMENTS; ++n)
		if (segments[n].handle == file->handle)
			segments[n].handle = NULL;
	pthread_mutex_unlock(&segments_mutex);
	dlclose(file->handle);
}

/*
 * Read behind the backs of threads that may still run, and over the red zones
 * that AddressSanitizer puts around variables: this is a dead machine's memory.
 */
#if defined(__clang__) || defined(__GNUC__)
__attribute__((no_sanitize("address", "thread")))
#endif
static void
copy_image(char *to, const volatile char *from, size_t size)
{
	while (size-- > 0)
		*to++ = *from++;
}

int
module_image(const char *path)
{
	static char copy[4096];		/* a trap may be one in malloc() */
	size_t done, size;
	int fd, n, status = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return (-1);
	pthread_mutex_lock(&segments_mutex);
	for (n = 0; n < MAXSEGMENTS; ++n) {
		if (segments[n].handle == NULL)
			continue;
		for (done = 0; status == 0 && done < segments[n].size;
		    done += size) {
			size = segments[n].size - done;
			if (size > sizeof(copy))
				size = sizeof(copy);
			copy_image(copy, segments[n].start + done, size);
			status = write_all(fd, copy, size);
		}
	}
	pthread_mutex_unlock(&segments_mutex);
	if (close(fd) != 0)
		status = -1;
	return (status);
}
