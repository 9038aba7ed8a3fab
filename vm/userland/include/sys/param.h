#ifndef _SYS_PARAM_H_
#define _SYS_PARAM_H_

/*
 * Whose message ports these headers show.  Another release's are had by naming
 * its version to the compiler; docs/eras.md tells what changed and when.
 */
#ifndef __DragonFly_version
#define __DragonFly_version	500900
#endif

#include <sys/types.h>

#define MAXCOMLEN	16
#define MAXCPU		256

#ifndef NULL
#define NULL		((void *)0)
#endif
#ifndef FALSE
#define FALSE		0
#endif
#ifndef TRUE
#define TRUE		1
#endif

#define PCATCH		0x00000100	/* tsleep: signals end the sleep */
#define PUSRFLAG1	0x00000200
#define PINTERLOCKED	0x00000400	/* tsleep_interlock() was called */
#define PWAKEUP_CPUMASK	0x00003FFF
#define PDOMAIN_MASK	0xFFF00000

#define NBBY		8
#define PAGE_SIZE	4096
#define CACHE_LINE_SIZE	64

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#define howmany(x, y)	(((x) + ((y) - 1)) / (y))
#define roundup(x, y)	((((x) + ((y) - 1)) / (y)) * (y))
#define roundup2(x, y)	(((x) + ((y) - 1)) & ~((y) - 1))
#define rounddown(x, y)	(((x) / (y)) * (y))
#define powerof2(x)	((((x) - 1) & (x)) == 0)
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

#ifdef _KERNEL
#include <sys/errno.h>
#include <sys/time.h>
#endif

#endif
