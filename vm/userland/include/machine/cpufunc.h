#ifndef _CPU_CPUFUNC_H_
#define _CPU_CPUFUNC_H_

#include <sys/types.h>
#include <machine/atomic.h>

void	ul_relax(void);
unsigned long long ul_rdtsc(void);

#define cpu_pause()	ul_relax()

/* ThreadSanitizer knows no fences; a locked operation says the same to it. */
#if defined(__SANITIZE_THREAD__)
#define UL_FENCES_BY_WORD
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UL_FENCES_BY_WORD
#endif
#endif

#ifdef UL_FENCES_BY_WORD
extern int ul_fence_word;
#define ul_fence(order)	((void)__atomic_fetch_add(&ul_fence_word, 0, order))
#else
#define ul_fence(order)	__atomic_thread_fence(order)
#endif

#define cpu_ccfence() do {						\
	__asm__ __volatile__("" : : : "memory");			\
	ul_poll();							\
} while (0)
#define cpu_lfence()	do { ul_fence(__ATOMIC_ACQUIRE); ul_poll(); } while (0)
#define cpu_sfence()	do { ul_fence(__ATOMIC_RELEASE); ul_poll(); } while (0)
#define cpu_mfence()	do { ul_fence(__ATOMIC_SEQ_CST); ul_poll(); } while (0)

static __inline tsc_uclock_t
rdtsc(void)
{
	return (ul_rdtsc());
}

static __inline tsc_uclock_t
rdtsc_ordered(void)
{
	return (ul_rdtsc());
}

#endif
