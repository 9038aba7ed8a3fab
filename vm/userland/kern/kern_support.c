/* The rest that a module calls: memory, the kernel environment, the clock. */

#include "kern_private.h"

#define MAXENV	64

static struct {
	char	name[64];
	char	value[64];
} environment[MAXENV];
static int environment_lock;

MALLOC_DEFINE(M_TEMP, "temp", "misc temporary data buffers");
MALLOC_DEFINE(M_DEVBUF, "devbuf", "device driver memory");

int hz = 100;
tsc_uclock_t tsc_frequency = 1000000000;

void *
kmalloc(unsigned long size, struct malloc_type *type, int flags)
{
	void *memory;

	ul_poll();
	memory = ul_host_alloc(size);
	if (memory == NULL && (flags & M_NULLOK) == 0)
		panic("%s: malloc limit exceeded", type->ks_shortdesc);
	if (memory != NULL && (flags & M_ZERO) == 0)
		__builtin_memset(memory, 0xde, size);
	return (memory);
}

void
kfree(void *memory, struct malloc_type *type __unused)
{
	ul_poll();
	KASSERT(memory != NULL, ("trying to free NULL pointer"));
	ul_host_free(memory);
}

/* 0, or an errno value when there is no room for it. */
int
ul_kern_setenv(const char *name, const char *value)
{
	int n, error = 0;

	ul_lock(&environment_lock);
	for (n = 0; n < MAXENV && environment[n].name[0] != '\0'; ++n)
		if (strcmp(environment[n].name, name) == 0)
			break;
	if (n == MAXENV || strlen(name) >= sizeof(environment[n].name) ||
	    strlen(value) >= sizeof(environment[n].value)) {
		error = ENOSPC;
	} else {
		strlcpy(environment[n].name, name,
		    sizeof(environment[n].name));
		strlcpy(environment[n].value, value,
		    sizeof(environment[n].value));
	}
	ul_unlock(&environment_lock);
	return (error);
}

char *
kgetenv(const char *name)
{
	char *copy = NULL;
	int n;

	ul_lock(&environment_lock);
	for (n = 0; n < MAXENV && environment[n].name[0] != '\0'; ++n)
		if (strcmp(environment[n].name, name) == 0) {
			copy = ul_host_alloc(sizeof(environment[n].value));
			if (copy != NULL)
				strlcpy(copy, environment[n].value,
				    sizeof(environment[n].value));
			break;
		}
	ul_unlock(&environment_lock);
	return (copy);
}

void
kfreeenv(char *value)
{
	ul_host_free(value);
}

int
kgetenv_quad(const char *name, quad_t *data)
{
	char *value = kgetenv(name), *p = value;
	u_quad_t number = 0;
	u_int base = 10, digit;
	int negative = 0, valid = 0;

	if (value == NULL)
		return (0);
	if (*p == '-') {
		negative = 1;
		++p;
	}
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	for (; *p != '\0'; ++p, valid = 1) {
		digit = *p >= '0' && *p <= '9' ? (u_int)(*p - '0') :
		    *p >= 'a' && *p <= 'f' ? (u_int)(*p - 'a') + 10 :
		    *p >= 'A' && *p <= 'F' ? (u_int)(*p - 'A') + 10 : 99;
		if (digit >= base) {
			valid = 0;
			break;
		}
		number = number * base + digit;
	}
	kfreeenv(value);
	if (valid)
		*data = (quad_t)(negative ? 0 - number : number);
	return (valid);
}

int
kgetenv_int(const char *name, int *data)
{
	quad_t number;

	if (!kgetenv_quad(name, &number))
		return (0);
	*data = (int)number;
	return (1);
}

size_t
strlcpy(char *to, const char *from, size_t size)
{
	size_t length = strlen(from), count;

	if (size > 0) {
		count = MIN(length, size - 1);
		bcopy(from, to, count);
		to[count] = '\0';
	}
	return (length);
}

/* CRC-32 as IEEE 802.3 and zlib have it, bit by bit. */
u_int32_t
crc32_ext(const void *buffer, size_t size, u_int32_t crc)
{
	const u_char *p = buffer;
	int bit;

	while (size-- > 0) {
		crc ^= *p++;
		for (bit = 0; bit < 8; ++bit)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return (crc);
}

u_int32_t
crc32(const void *buffer, size_t size)
{
	return (~crc32_ext(buffer, size, ~0u));
}

unsigned long long
ul_rdtsc(void)
{
	ul_poll();
#if defined(__x86_64__) || defined(__i386__)
	return (__builtin_ia32_rdtsc());
#else
	return (ul_host_nanotime());
#endif
}

int
ul_ticks(void)
{
	ul_poll();
	return ((int)(ul_host_nanotime() / (1000000000ull / (u_int)hz)));
}

time_t
ul_uptime(void)
{
	return ((time_t)(ul_host_nanotime() / 1000000000));
}

static void
split(struct timespec *ts, unsigned long long ns)
{
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
}

void
nanouptime(struct timespec *ts)
{
	ul_poll();
	split(ts, ul_host_nanotime());
}

void
getnanouptime(struct timespec *ts)
{
	nanouptime(ts);
}

void
nanotime(struct timespec *ts)
{
	ul_poll();
	split(ts, ul_host_walltime());
}

void
getnanotime(struct timespec *ts)
{
	nanotime(ts);
}

static void
coarsen(struct timeval *tv, const struct timespec *ts)
{
	tv->tv_sec = ts->tv_sec;
	tv->tv_usec = ts->tv_nsec / 1000;
}

void
microuptime(struct timeval *tv)
{
	struct timespec ts;

	nanouptime(&ts);
	coarsen(tv, &ts);
}

void
getmicrouptime(struct timeval *tv)
{
	microuptime(tv);
}

void
microtime(struct timeval *tv)
{
	struct timespec ts;

	nanotime(&ts);
	coarsen(tv, &ts);
}

void
getmicrotime(struct timeval *tv)
{
	microtime(tv);
}

void
DELAY(int usec)
{
	unsigned long long end = ul_host_nanotime() +
	    (unsigned long long)usec * 1000;

	while (ul_host_nanotime() < end)
		cpu_pause();
}

u_int32_t
karc4random(void)
{
	static u_int64_t state;
	u_int64_t z = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15,
	    __ATOMIC_RELAXED);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return ((u_int32_t)(z >> 32));
}
