#ifndef _SYS_SYSTM_H_
#define _SYS_SYSTM_H_

#include <sys/param.h>
#include <machine/stdarg.h>
#include <machine/atomic.h>
#include <machine/cpufunc.h>
#include <sys/libkern.h>

struct globaldata;
struct lwkt_serialize;
struct spinlock;
struct thread;

extern int	ncpus;
extern int	ncpus_fit;		/* ncpus rounded up to a power of 2 */
extern int	ncpus_fit_mask;
extern int	osreldate;
extern const char *panicstr;
extern tsc_uclock_t tsc_frequency;

#ifdef INVARIANTS
#define KASSERT(exp, msg)	do {					\
	if (__predict_false(!(exp)))					\
		panic msg;						\
} while (0)
#define KKASSERT(exp)		do {					\
	if (__predict_false(!(exp)))					\
		panic("assertion \"%s\" failed in %s at %s:%u",		\
		    #exp, __func__, __FILE__, __LINE__);		\
} while (0)
#else
#define KASSERT(exp, msg)	do { } while (0)
#define KKASSERT(exp)		do { } while (0)
#endif
#define CTASSERT(x)		_Static_assert(x, "compile-time assertion")

void	panic(const char *, ...) __dead2 __printflike(1, 2);
int	kprintf(const char *, ...) __printflike(1, 2);
int	kvprintf(const char *, __va_list) __printflike(1, 0);
int	ksprintf(char *, const char *, ...) __printflike(2, 3);
int	kvsprintf(char *, const char *, __va_list) __printflike(2, 0);
int	ksnprintf(char *, size_t, const char *, ...) __printflike(3, 4);
int	kvsnprintf(char *, size_t, const char *, __va_list) __printflike(3, 0);
void	print_backtrace(int);

#ifdef UL_CONTROL
/* Not every compiler's instrumentation sees what becomes of a builtin. */
void	*__tsan_memmove(void *, const void *, size_t);
void	*__tsan_memset(void *, int, size_t);
#define bcopy(from, to, len)	((void)__tsan_memmove((to), (from), (len)))
#define bzero(buf, len)		((void)__tsan_memset((buf), 0, (len)))
#else
#define bcopy(from, to, len)	((void)__builtin_memmove((to), (from), (len)))
#define bzero(buf, len)		((void)__builtin_memset((buf), 0, (len)))
#endif
#define bcmp(a, b, len)		__builtin_memcmp((a), (b), (len))

char	*kgetenv(const char *);
void	 kfreeenv(char *);
int	 kgetenv_int(const char *, int *);
int	 kgetenv_quad(const char *, quad_t *);

u_int32_t crc32(const void *, size_t);
u_int32_t crc32_ext(const void *, size_t, u_int32_t);

void	DELAY(int usec);
u_int32_t karc4random(void);

void	splz(void);
void	splz_check(void);

int	tsleep(const volatile void *, int, const char *, int);
int	ssleep(const volatile void *, struct spinlock *, int, const char *,
	    int);
int	zsleep(const volatile void *, struct lwkt_serialize *, int,
	    const char *, int);
int	lwkt_sleep(const char *, int);
void	tsleep_interlock(const volatile void *, int);
void	tsleep_remove(struct thread *);
void	wakeup(const volatile void *);
void	wakeup_one(const volatile void *);
void	wakeup_mycpu(const volatile void *);

#include <sys/globaldata.h>

#endif
