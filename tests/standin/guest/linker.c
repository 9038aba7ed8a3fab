/*
 * The kernel's linker: modules are relocatable objects of the kernel's code
 * model, as DragonFly's are.  They go into an area within reach of the
 * program, the lowest free place first, their writable data before all else.
 * This takes the place of the host half's module.c.
 */

#include <sys/mman.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_private.h"
#include "ul_abi.h"

#define AREA		((char *)0x40000000)
#define AREA_SIZE	(16ul << 20)
#define PAGE		4096ul
#define MAXMODULES	64
#define MAXSECTIONS	512
#define JUMP_SIZE	16ul

static struct place {
	char	*start, *end;
} places[MAXMODULES];

struct object {
	const char	*file;
	const Elf64_Ehdr *header;
	const Elf64_Shdr *sections;
	const Elf64_Sym	*symbols;
	size_t		 symbol_count;
	const char	*names;
	char		*at[MAXSECTIONS];
	char		*jumps;		/* to functions out of reach */
	char		*text;		/* of struct ul_file */
	size_t		 text_size;
};

/* The module's own files' data: see memory images of the userland machine. */
int
module_image(const char *path)
{
	(void)path;
	return (-1);
}

static struct place *
allocate(size_t size)
{
	struct place *free_place = NULL;
	char *start = AREA;
	int again, n;

	do {
		for (again = n = 0; n < MAXMODULES; ++n)
			if (places[n].start != NULL && start < places[n].end &&
			    start + size > places[n].start) {
				start = places[n].end;
				again = 1;
			}
	} while (again);
	for (n = 0; n < MAXMODULES && free_place == NULL; ++n)
		if (places[n].start == NULL)
			free_place = &places[n];
	if (free_place == NULL || start + size > AREA + AREA_SIZE ||
	    mmap(start, size, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE,
	    -1, 0) != start)
		return (NULL);
	free_place->start = start;
	free_place->end = start + size;
	return (free_place);
}

static void
release(struct place *place)
{
	munmap(place->start, (size_t)(place->end - place->start));
	place->start = place->end = NULL;
}

static int
parse(struct object *object, size_t size)
{
	const Elf64_Ehdr *header = (const void *)object->file;
	const Elf64_Shdr *section;
	int n;

	if (size < sizeof(*header) ||
	    memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    header->e_type != ET_REL || header->e_machine != EM_X86_64 ||
	    header->e_shnum > MAXSECTIONS ||
	    header->e_shoff + header->e_shnum * sizeof(*section) > size)
		return (0);
	object->header = header;
	object->sections = (const void *)(object->file + header->e_shoff);
	for (n = 0; n < header->e_shnum; ++n) {
		section = &object->sections[n];
		if (section->sh_type != SHT_NOBITS &&
		    section->sh_offset + section->sh_size > size)
			return (0);
		if (section->sh_type == SHT_SYMTAB) {
			object->symbols = (const void *)(object->file +
			    section->sh_offset);
			object->symbol_count = section->sh_size /
			    sizeof(*object->symbols);
			object->names = object->file +
			    object->sections[section->sh_link].sh_offset;
		}
	}
	return (object->symbols != NULL);
}

/* Where each section goes, from start on; writable ones first.  The end. */
static size_t
lay_out(struct object *object, char *start)
{
	const Elf64_Shdr *section;
	size_t align, offset = 0, n;
	int last, writable;

	for (last = 0; last < 2; ++last)
		for (n = 0; n < object->header->e_shnum; ++n) {
			section = &object->sections[n];
			writable = (section->sh_flags & SHF_WRITE) != 0;
			if ((section->sh_flags & SHF_ALLOC) == 0 ||
			    writable == last)
				continue;
			align = section->sh_addralign > 1 ?
			    section->sh_addralign : 1;
			offset = (offset + align - 1) / align * align;
			object->at[n] = start + offset;
			offset += section->sh_size;
		}
	offset = (offset + JUMP_SIZE - 1) / JUMP_SIZE * JUMP_SIZE;
	object->jumps = start + offset;
	return (offset + object->symbol_count * JUMP_SIZE);
}

static void
fill(struct object *object)
{
	const Elf64_Shdr *section;
	int n;

	for (n = 0; n < object->header->e_shnum; ++n) {
		section = &object->sections[n];
		if (object->at[n] != NULL && section->sh_type != SHT_NOBITS)
			memcpy(object->at[n], object->file +
			    section->sh_offset, section->sh_size);
	}
}

static int
fits(int64_t value)
{
	return (value == (int32_t)value);
}

/* A jump within reach of the module to a function that is not. */
static uint64_t
jump_to(struct object *object, size_t symbol, uint64_t function)
{
	char *jump = object->jumps + symbol * JUMP_SIZE;

	memcpy(jump, "\x48\xb8", 2);			/* movabs $..., %rax */
	memcpy(jump + 2, &function, sizeof(function));
	memcpy(jump + 10, "\xff\xe0", 2);		/* jmp *%rax */
	return ((uint64_t)(uintptr_t)jump);
}

static enum ul_load
value_of(struct object *object, size_t number, uint64_t *value)
{
	const Elf64_Sym *symbol = &object->symbols[number];
	const char *name = object->names + symbol->st_name;
	void *found;

	if (symbol->st_shndx == SHN_ABS) {
		*value = symbol->st_value;
		return (UL_LOADED);
	}
	if (symbol->st_shndx != SHN_UNDEF) {
		if (symbol->st_shndx >= object->header->e_shnum ||
		    object->at[symbol->st_shndx] == NULL)
			return (UL_NOT_A_MODULE);
		*value = (uint64_t)(uintptr_t)object->at[symbol->st_shndx] +
		    symbol->st_value;
		return (UL_LOADED);
	}
	found = dlsym(RTLD_DEFAULT, name);
	if (found == NULL && ELF64_ST_BIND(symbol->st_info) != STB_WEAK) {
		snprintf(object->text, object->text_size, "%s", name);
		return (UL_UNDEFINED);
	}
	*value = (uint64_t)(uintptr_t)found;
	if (!fits((int64_t)*value))
		*value = jump_to(object, number, *value);
	return (UL_LOADED);
}

static enum ul_load
relocate(struct object *object, char *base, const Elf64_Rela *entry)
{
	char *where = base + entry->r_offset;
	enum ul_load result;
	uint64_t value;
	int64_t relative;
	int32_t word;

	result = value_of(object, ELF64_R_SYM(entry->r_info), &value);
	if (result != UL_LOADED)
		return (result);
	value += (uint64_t)entry->r_addend;
	relative = (int64_t)(value - (uint64_t)(uintptr_t)where);
	switch (ELF64_R_TYPE(entry->r_info)) {
	case R_X86_64_NONE:
		return (UL_LOADED);
	case R_X86_64_64:
		memcpy(where, &value, sizeof(value));
		return (UL_LOADED);
	case R_X86_64_PC64:
		memcpy(where, &relative, sizeof(relative));
		return (UL_LOADED);
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		word = (int32_t)relative;
		if (!fits(relative))
			break;
		memcpy(where, &word, sizeof(word));
		return (UL_LOADED);
	case R_X86_64_32:
	case R_X86_64_32S:
		/* The area lies low, where both mean the same. */
		word = (int32_t)value;
		if (!fits((int64_t)value))
			break;
		memcpy(where, &word, sizeof(word));
		return (UL_LOADED);
	}
	fprintf(stderr, "standin: relocation %u does not fit or is unknown\n",
	    (unsigned)ELF64_R_TYPE(entry->r_info));
	return (UL_NOT_A_MODULE);
}

static enum ul_load
link_object(struct object *object, struct ul_file *file)
{
	const Elf64_Shdr *section;
	const Elf64_Rela *entry;
	enum ul_load result;
	size_t count, n;
	uint64_t value;
	int s;

	for (s = 0; s < object->header->e_shnum; ++s) {
		section = &object->sections[s];
		if (section->sh_type != SHT_RELA ||
		    section->sh_info >= object->header->e_shnum ||
		    object->at[section->sh_info] == NULL)
			continue;
		entry = (const void *)(object->file + section->sh_offset);
		for (count = section->sh_size / sizeof(*entry); count > 0;
		    --count, ++entry) {
			result = relocate(object, object->at[section->sh_info],
			    entry);
			if (result != UL_LOADED)
				return (result);
		}
	}
	for (n = 0; n < object->symbol_count; ++n)
		if (object->symbols[n].st_shndx != SHN_UNDEF &&
		    strcmp(object->names + object->symbols[n].st_name,
		    "ul_module") == 0 &&
		    value_of(object, n, &value) == UL_LOADED) {
			file->module = (const void *)(uintptr_t)value;
			return (UL_LOADED);
		}
	return (UL_NOT_A_MODULE);
}

/* For kldstat: "ADDRESS SIZE" in a file beside the module's. */
static void
note_place(const char *path, const struct place *place)
{
	char name[4096];
	FILE *file;

	snprintf(name, sizeof(name), "%s.at", path);
	if ((file = fopen(name, "w")) == NULL)
		return;
	fprintf(file, "%p %lx\n", (void *)place->start,
	    (unsigned long)(place->end - place->start));
	fclose(file);
}

enum ul_load
ul_host_open(const char *path, struct ul_file *file)
{
	struct object object = { .text = file->text,
	    .text_size = sizeof(file->text) };
	struct place *place = NULL;
	enum ul_load result = UL_NOT_A_MODULE;
	struct stat status;
	size_t size;
	void *mapped;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		return (UL_NO_FILE);
	mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE,
	    fd, 0);
	close(fd);
	if (mapped == MAP_FAILED)
		return (UL_NOT_A_MODULE);
	object.file = mapped;
	if (parse(&object, (size_t)status.st_size)) {
		size = lay_out(&object, NULL);
		place = allocate((size + PAGE - 1) & -PAGE);
	}
	if (place != NULL) {
		lay_out(&object, place->start);
		fill(&object);
		result = link_object(&object, file);
		file->handle = place;
		if (result == UL_LOADED)
			note_place(path, place);
		else
			release(place);
	}
	munmap(mapped, (size_t)status.st_size);
	return (result);
}

void
ul_host_close(struct ul_file *file)
{
	release(file->handle);
}
