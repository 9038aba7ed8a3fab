/*
 * A kernel that does nothing but tell, on the serial line, what its loader
 * left it: as DragonFly's finds it, on the stack and in the metadata.
 */

typedef unsigned int u32;
typedef unsigned long u64;

#define	KERNBASE	0xffffffff80000000UL
#define	COM1		0x3f8

struct record {
	u32	kind;
	u32	length;
	char	data[];
};

struct map_entry {
	u64	base;
	u64	length;
	u32	type;
} __attribute__((packed));

struct symbol {
	u32	name;
	unsigned char info, other;
	unsigned short section;
	u64	value;
	u64	size;
};

char version[] = VERSION "\n    tester@nowhere:/sys/compile/TINY\n";
u64 untouched[4096];	/* its zeros are not in the file */

void	tiny_main(u64, u64);

__asm__(".globl btext\n"
    "btext:\n"
    "	movl	4(%rsp), %edi\n"
    "	movl	8(%rsp), %esi\n"
    "	leaq	stack_top(%rip), %rsp\n"
    "	call	tiny_main\n"
    "1:	hlt\n"
    "	jmp	1b\n"
    "	.bss\n"
    "	.space	8192\n"
    "stack_top:\n"
    "	.text\n");

static void
say(const char *text)
{
	for (; *text != '\0'; text++)
		__asm__ volatile("outb %b0, %w1" : : "a"(*text), "d"(COM1));
}

static void
say_number(u64 number)
{
	char digits[17];
	int at;

	at = 16;
	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[number & 15];
		number >>= 4;
	} while (number != 0);
	say(digits + at);
}

static void
tell(const char *name, u64 number)
{
	say(name);
	say("=");
	say_number(number);
	say("\r\n");
}

static int
same(const char *one, const char *other)
{
	while (*one != '\0' && *one == *other)
		one++, other++;
	return (*one == *other);
}

static void
tell_symbols(const char *start, const char *end)
{
	const struct symbol *symbol;
	const char *names;
	u64 length, i;

	length = *(const u64 *)start;
	symbol = (const struct symbol *)(start + 8);
	names = start + 8 + length + 8;
	tell("names_fit", names + *(const u64 *)(names - 8) <= end);
	for (i = 0; i < length / sizeof(*symbol); i++) {
		if (same(names + symbol[i].name, "version"))
			tell("version_is_found",
			    symbol[i].value == (u64)version);
	}
}

static void
tell_map(const struct map_entry *entry, u32 length)
{
	u64 memory;

	memory = 0;
	for (; length >= sizeof(*entry); length -= sizeof(*entry), entry++) {
		if (entry->type == 1)
			memory += entry->length;
	}
	tell("memory", memory);
	tell("map_left_over", length);
}

void
tiny_main(u64 modulep, u64 kernend)
{
	const struct record *record;
	const char *text, *symbols;
	u64 zeros, i, at;

	say("tiny\r\n");
	zeros = 0;
	for (i = 0; i < 4096; i++)
		zeros |= untouched[i];
	tell("bss", zeros);
	symbols = 0;
	at = KERNBASE + modulep;
	for (;;) {
		record = (const struct record *)at;
		if (record->kind == 0)
			break;
		switch (record->kind) {
		case 1:
		case 2:
			say("is ");
			say(record->data);
			say("\r\n");
			break;
		case 3:
			tell("address", *(const u64 *)record->data);
			break;
		case 0x8003:
			symbols = (const char *)KERNBASE +
			    *(const u64 *)record->data;
			break;
		case 0x8004:
			tell_symbols(symbols, (const char *)KERNBASE +
			    *(const u64 *)record->data);
			break;
		case 0x8006:
			text = (const char *)KERNBASE +
			    *(const u64 *)record->data;
			while (*text != '\0') {
				say("env ");
				while (*text != '\0') {
					char one[2] = { *text++, '\0' };
					say(one);
				}
				text++;
				say("\r\n");
			}
			break;
		case 0x8007:
			tell("howto", *(const u32 *)record->data);
			break;
		case 0x8008:
			tell("same_end",
			    *(const u64 *)record->data == kernend);
			break;
		case 0x9001:
			tell_map((const struct map_entry *)record->data,
			    record->length);
			break;
		}
		at += 8 + ((record->length + 7) & ~7U);
	}
	tell("end_is_behind", KERNBASE + kernend >= at + 8 &&
	    (kernend & 4095) == 0);
	say("mountroot> ");
}
