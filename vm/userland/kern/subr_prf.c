/*
 * kprintf and panic.  A kprintf is one write, whole under the console's lock;
 * one that strikes inside another on the same CPU prints nothing.
 */

#include "kern_private.h"

struct sink {
	char		*buffer;
	size_t		size;
	size_t		length;		/* what it would have taken */
	int		flush;		/* to the console when full */
};

static int console_lock;
static int panic_lock;
static _Atomic(globaldata_t) panic_cpu;

const char *panicstr;

static void
emit(struct sink *sink, char c)
{
	if (sink->flush && sink->length == sink->size) {
		ul_host_console(sink->buffer, sink->length);
		sink->length = 0;
	}
	if (sink->length < sink->size)
		sink->buffer[sink->length] = c;
	++sink->length;
}

static void
pad(struct sink *sink, char c, int count)
{
	while (count-- > 0)
		emit(sink, c);
}

static int
digits(char *end, unsigned long long value, u_int base, int upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char *p = end;

	do {
		*--p = set[value % base];
		value /= base;
	} while (value != 0);
	return ((int)(end - p));
}

static void
format(struct sink *sink, const char *fmt, __va_list ap)
{
	char number[24], sign, fill;
	const char *text;
	unsigned long long value;
	long long svalue;
	int alt, base, count, left, longs, plus, precision, upper, width;

	for (; *fmt != '\0'; ++fmt) {
		if (*fmt != '%') {
			emit(sink, *fmt);
			continue;
		}
		alt = left = longs = plus = upper = width = 0;
		fill = ' ';
		precision = -1;
		for (;;) {
			++fmt;
			if (*fmt == '-')
				left = 1;
			else if (*fmt == '0')
				fill = '0';
			else if (*fmt == '#')
				alt = 1;
			else if (*fmt == '+' || *fmt == ' ')
				plus = *fmt;
			else
				break;
		}
		if (*fmt == '*') {
			width = __va_arg(ap, int);
			++fmt;
		}
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + (*fmt++ - '0');
		if (width < 0) {
			left = 1;
			width = -width;
		}
		if (*fmt == '.') {
			precision = 0;
			if (*++fmt == '*') {
				precision = __va_arg(ap, int);
				++fmt;
			}
			while (*fmt >= '0' && *fmt <= '9')
				precision = precision * 10 + (*fmt++ - '0');
		}
		while (*fmt == 'l' || *fmt == 'h' || *fmt == 'z' ||
		    *fmt == 'j' || *fmt == 't' || *fmt == 'q') {
			longs += *fmt == 'h' ? -1 : *fmt == 'l' ? 1 : 2;
			++fmt;
		}
		sign = '\0';
		base = 10;
		switch (*fmt) {
		case '\0':
			return;
		case '%':
			emit(sink, '%');
			continue;
		case 'c':
			pad(sink, ' ', left ? 0 : width - 1);
			emit(sink, (char)__va_arg(ap, int));
			pad(sink, ' ', left ? width - 1 : 0);
			continue;
		case 's':
			text = __va_arg(ap, const char *);
			if (text == NULL)
				text = "(null)";
			for (count = 0; (precision < 0 || count < precision) &&
			    text[count] != '\0'; ++count)
				continue;
			pad(sink, ' ', left ? 0 : width - count);
			while (count-- > 0) {
				emit(sink, *text++);
				--width;
			}
			pad(sink, ' ', left ? width : 0);
			continue;
		case 'd':
		case 'i':
			if (longs >= 2)
				svalue = __va_arg(ap, long long);
			else if (longs == 1)
				svalue = __va_arg(ap, long);
			else
				svalue = __va_arg(ap, int);
			if (longs == -1)
				svalue = (short)svalue;
			else if (longs == -2)
				svalue = (signed char)svalue;
			value = svalue < 0 ? 0 - (unsigned long long)svalue :
			    (unsigned long long)svalue;
			sign = svalue < 0 ? '-' : (char)plus;
			break;
		case 'p':
			value = (uintptr_t)__va_arg(ap, void *);
			base = 16;
			alt = 1;
			break;
		case 'X':
			upper = 1;
			/* FALLTHROUGH */
		case 'x':
			base = 16;
			goto take;
		case 'o':
			base = 8;
			/* FALLTHROUGH */
		case 'u':
		take:
			if (longs >= 2)
				value = __va_arg(ap, unsigned long long);
			else if (longs == 1)
				value = __va_arg(ap, unsigned long);
			else
				value = __va_arg(ap, unsigned int);
			if (longs == -1)
				value = (unsigned short)value;
			else if (longs == -2)
				value = (unsigned char)value;
			break;
		default:
			emit(sink, '%');
			emit(sink, *fmt);
			continue;
		}
		count = digits(number + sizeof(number), value, (u_int)base,
		    upper);
		if (precision == 0 && value == 0)
			count = 0;
		if (alt && (value == 0 || base == 10))
			alt = 0;
		width -= MAX(count, precision) + (sign != '\0') +
		    (alt ? base == 16 ? 2 : 1 : 0);
		if (left == 0 && (fill == ' ' || precision >= 0))
			pad(sink, ' ', width);
		if (sign != '\0')
			emit(sink, sign);
		if (alt) {
			emit(sink, '0');
			if (base == 16)
				emit(sink, upper ? 'X' : 'x');
		}
		if (left == 0 && fill == '0' && precision < 0)
			pad(sink, '0', width);
		pad(sink, '0', precision - count);
		for (text = number + sizeof(number) - count; count > 0; --count)
			emit(sink, *text++);
		if (left)
			pad(sink, ' ', width);
	}
}

int
kvsnprintf(char *buffer, size_t size, const char *fmt, __va_list ap)
{
	struct sink sink = { buffer, size > 0 ? size - 1 : 0, 0, 0 };

	format(&sink, fmt, ap);
	if (size > 0)
		buffer[MIN(sink.length, sink.size)] = '\0';
	return ((int)sink.length);
}

int
ksnprintf(char *buffer, size_t size, const char *fmt, ...)
{
	__va_list ap;
	int length;

	__va_start(ap, fmt);
	length = kvsnprintf(buffer, size, fmt, ap);
	__va_end(ap);
	return (length);
}

int
kvsprintf(char *buffer, const char *fmt, __va_list ap)
{
	return (kvsnprintf(buffer, INT32_MAX, fmt, ap));
}

int
ksprintf(char *buffer, const char *fmt, ...)
{
	__va_list ap;
	int length;

	__va_start(ap, fmt);
	length = kvsprintf(buffer, fmt, ap);
	__va_end(ap);
	return (length);
}

/* Once a CPU has panicked no other says anything more. */
void
ul_stop_if_panicked(void)
{
	if (__atomic_load_n(&panic_lock, __ATOMIC_SEQ_CST) &&
	    panic_cpu != mycpu)
		for (;;)
			ul_host_sem_wait(curthread->td_ul_sem, -1);
}

/* The number of bytes printed: 0 when it struck inside another. */
int
kvprintf(const char *fmt, __va_list ap)
{
	char buffer[1024];
	struct sink sink = { buffer, sizeof(buffer), 0, 1 };
	globaldata_t gd = mycpu;
	int alone;

	ul_poll();
	if (gd->gd_flags & GDF_KPRINTF)
		return (0);
	gd->gd_flags |= GDF_KPRINTF;
	/* In the kernel too an interrupt can strike here. */
	ul_poll();
	crit_enter();
	alone = panic_cpu == gd;
	if (!alone) {
		ul_lock(&console_lock);
		ul_stop_if_panicked();
	}
	format(&sink, fmt, ap);
	ul_host_console(sink.buffer, sink.length);
	gd->gd_flags &= ~GDF_KPRINTF;
	if (!alone)
		ul_unlock(&console_lock);
	crit_exit();
	return ((int)sink.length);
}

int
kprintf(const char *fmt, ...)
{
	__va_list ap;
	int length;

	__va_start(ap, fmt);
	length = kvprintf(fmt, ap);
	__va_end(ap);
	return (length);
}

void
print_backtrace(int count __unused)
{
	kprintf("Trace beginning at frame %p\n", __builtin_frame_address(0));
	ul_host_backtrace();
}

/* As if nothing had panicked. */
void
ul_panic_boot(void)
{
	panicstr = NULL;
	panic_lock = console_lock = 0;
	panic_cpu = NULL;
}

/* Only the first CPU to panic counts; others that do stop where they are. */
static void
claim(globaldata_t gd)
{
	++curthread->td_critcount;
	if (__atomic_exchange_n(&panic_lock, 1, __ATOMIC_SEQ_CST)) {
		ul_stop_if_panicked();
		ul_host_panicked("panic inside a panic");
	}
	panic_cpu = gd;
	gd->gd_flags &= ~GDF_KPRINTF;
}

static void __dead2
stop(globaldata_t gd, const char *text)
{
	u_int nibble;
	int cpu, n;

	kprintf("\nCPU%d stopping CPUs: 0x", (int)gd->gd_cpuid);
	for (n = howmany(MAX(ncpus, 32), 4) - 1; n >= 0; --n) {
		nibble = 0;
		for (cpu = n * 4; cpu < MIN(n * 4 + 4, ncpus); ++cpu)
			if (cpu != (int)gd->gd_cpuid)
				nibble |= 1u << cpu % 4;
		kprintf("%x", nibble);
	}
	kprintf("\n stopped\n");
	ul_host_panicked(text);
}

void
panic(const char *fmt, ...)
{
	static char text[1024];
	globaldata_t gd = mycpu;
	__va_list ap;

	claim(gd);
	__va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	__va_end(ap);
	panicstr = text;
	if (gd->gd_spinlocks > 0)
		kprintf("panic with %d spinlocks held\n", gd->gd_spinlocks);
	kprintf("panic: %s\n", text);
	kprintf("cpuid = %d\n", (int)gd->gd_cpuid);
	print_backtrace(-1);
	kprintf("Debugger(\"panic\")\n");
	stop(gd, text);
}

void
ul_kern_trap(int number, const char *what, const void *address)
{
	static char text[128];
	globaldata_t gd = mycpu;

	claim(gd);
	ksnprintf(text, sizeof(text), "Fatal trap %d: %s while in kernel mode",
	    number, what);
	kprintf("%s\n", text);
	kprintf("cpuid = %d; lapic id = %d\n", (int)gd->gd_cpuid,
	    (int)gd->gd_cpuid);
	if (number == 12)
		kprintf("fault virtual address\t= %p\n", address);
	kprintf("kernel: type %d trap, code=0\n", number);
	stop(gd, text);
}
