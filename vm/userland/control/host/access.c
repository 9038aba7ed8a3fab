/*
 * Which memory a segment touches.  The code that is looked at is compiled with
 * the compiler's instrumentation for ThreadSanitizer, and these functions stand
 * in for the sanitizer's: each is told of an access before it happens.  Atomic
 * operations they also carry out, plainly: one process runs at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "control_private.h"
#include "ul_control.h"

#define MAXRANGES	64

static struct range {
	uintptr_t	start;
	uintptr_t	end;
} ranges[MAXRANGES];
static int nranges;

void
watch_nothing(void)
{
	nranges = 0;
}

void
ul_host_watch(const volatile void *address, unsigned long size)
{
	if (nranges == MAXRANGES)
		fail("too much memory to watch");
	ranges[nranges].start = (uintptr_t)address;
	ranges[nranges++].end = (uintptr_t)address + size;
}

static void
access(const volatile void *address, int size, int write)
{
	uintptr_t at = (uintptr_t)address;
	int n;

	for (n = 0; n < nranges; ++n)
		if (at >= ranges[n].start && at < ranges[n].end) {
			ul_kern_access(address, size, write);
			return;
		}
}

#define ACCESSES(size)							\
void __tsan_read ## size(void *a) { access(a, size, 0); }		\
void __tsan_write ## size(void *a) { access(a, size, 1); }		\
void __tsan_unaligned_read ## size(void *a) { access(a, size, 0); }	\
void __tsan_unaligned_write ## size(void *a) { access(a, size, 1); }	\
void __tsan_volatile_read ## size(void *a) { access(a, size, 0); }	\
void __tsan_volatile_write ## size(void *a) { access(a, size, 1); }	\
void __tsan_read_write ## size(void *a)					\
{									\
	access(a, size, 0);						\
	access(a, size, 1);						\
}

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_init(void) { }
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) { }
void __tsan_read_range(void *a, size_t size) { access(a, (int)size, 0); }
void __tsan_write_range(void *a, size_t size) { access(a, (int)size, 1); }
void __tsan_atomic_thread_fence(int order) { (void)order; }
void __tsan_atomic_signal_fence(int order) { (void)order; }

void *
__tsan_memcpy(void *to, const void *from, size_t size)
{
	access(from, (int)size, 0);
	access(to, (int)size, 1);
	return (__builtin_memcpy(to, from, size));
}

void *
__tsan_memmove(void *to, const void *from, size_t size)
{
	access(from, (int)size, 0);
	access(to, (int)size, 1);
	return (__builtin_memmove(to, from, size));
}

void *
__tsan_memset(void *to, int value, size_t size)
{
	access(to, (int)size, 1);
	return (__builtin_memset(to, value, size));
}

#define UPDATE(bits, type, name, expression)				\
type									\
__tsan_atomic ## bits ## _ ## name(volatile type *a, type v, int order)	\
{									\
	type old;							\
									\
	(void)order;							\
	access(a, sizeof(type), 1);					\
	old = *a;							\
	*a = (type)(expression);					\
	return (old);							\
}

#define EXCHANGE(bits, type, name)					\
int									\
__tsan_atomic ## bits ## _ ## name(volatile type *a, type *expected,	\
    type v, int order, int otherwise)					\
{									\
	(void)order;							\
	(void)otherwise;						\
	access(a, sizeof(type), 1);					\
	if (*a == *expected) {						\
		*a = v;							\
		return (1);						\
	}								\
	*expected = *a;							\
	return (0);							\
}

#define ATOMIC(bits, type)						\
type									\
__tsan_atomic ## bits ## _load(const volatile type *a, int order)	\
{									\
	(void)order;							\
	access(a, sizeof(type), 0);					\
	return (*a);							\
}									\
void									\
__tsan_atomic ## bits ## _store(volatile type *a, type v, int order)	\
{									\
	(void)order;							\
	access(a, sizeof(type), 1);					\
	*a = v;								\
}									\
UPDATE(bits, type, exchange, v)						\
UPDATE(bits, type, fetch_add, old + v)					\
UPDATE(bits, type, fetch_sub, old - v)					\
UPDATE(bits, type, fetch_and, old & v)					\
UPDATE(bits, type, fetch_or, old | v)					\
UPDATE(bits, type, fetch_xor, old ^ v)					\
UPDATE(bits, type, fetch_nand, ~(old & v))				\
EXCHANGE(bits, type, compare_exchange_strong)				\
EXCHANGE(bits, type, compare_exchange_weak)				\
type									\
__tsan_atomic ## bits ## _compare_exchange_val(volatile type *a,	\
    type expected, type v, int order, int otherwise)			\
{									\
	__tsan_atomic ## bits ## _compare_exchange_strong(a, &expected,	\
	    v, order, otherwise);					\
	return (expected);						\
}

ATOMIC(8, unsigned char)
ATOMIC(16, unsigned short)
ATOMIC(32, unsigned int)
ATOMIC(64, unsigned long)
