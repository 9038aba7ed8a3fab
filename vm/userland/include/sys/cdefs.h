#ifndef _SYS_CDEFS_H_
#define _SYS_CDEFS_H_

#define __dead2			__attribute__((__noreturn__))
#define __packed		__attribute__((__packed__))
#define __aligned(n)		__attribute__((__aligned__(n)))
#define __section(s)		__attribute__((__section__(s)))
#define __unused		__attribute__((__unused__))
#define __used			__attribute__((__used__))
#define __noinline		__attribute__((__noinline__))
#define __always_inline		__attribute__((__always_inline__))
#define __cachealign		__attribute__((__aligned__(64)))
#define __printflike(fmt, va)	__attribute__((__format__(__printf__, fmt, va)))
#define __inline		inline
#define __predict_true(e)	__builtin_expect((e) != 0, 1)
#define __predict_false(e)	__builtin_expect((e) != 0, 0)
#define __offsetof(type, field)	__builtin_offsetof(type, field)
#define __containerof(p, type, field) \
	((type *)(void *)((char *)(p) - __offsetof(type, field)))
#define __DECONST(type, var)	((type)(uintptr_t)(const void *)(var))
#define __DEVOLATILE(type, var)	((type)(uintptr_t)(volatile void *)(var))
#define __FBSDID(s)		struct __hack
#define __CONCAT1(x, y)		x ## y
#define __CONCAT(x, y)		__CONCAT1(x, y)
#define __STRING(x)		#x
#define __XSTRING(x)		__STRING(x)
#ifdef INVARIANTS
#define __debugvar
#else
#define __debugvar		__unused
#endif

#endif
