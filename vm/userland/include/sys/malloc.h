#ifndef _SYS_MALLOC_H_
#define _SYS_MALLOC_H_

#include <sys/types.h>

#define M_RNOWAIT	0x0001
#define M_WAITOK	0x0002
#define M_ZERO		0x0100
#define M_USE_RESERVE	0x0200
#define M_NULLOK	0x0400
#define M_USE_INTERRUPT_RESERVE	0x1000
#define M_NOWAIT	(M_RNOWAIT | M_NULLOK | M_USE_RESERVE)
#define M_INTWAIT	(M_WAITOK | M_USE_RESERVE | M_USE_INTERRUPT_RESERVE)
#define M_INTNOWAIT	(M_RNOWAIT | M_NULLOK | M_USE_RESERVE | \
			    M_USE_INTERRUPT_RESERVE)

struct malloc_type {
	const char	*ks_shortdesc;
	const char	*ks_longdesc;
};

#define MALLOC_DEFINE(type, shortdesc, longdesc)			\
	struct malloc_type type[1] = { { (shortdesc), (longdesc) } }
#define MALLOC_DECLARE(type)	extern struct malloc_type type[1]

MALLOC_DECLARE(M_TEMP);
MALLOC_DECLARE(M_DEVBUF);

void	*kmalloc(unsigned long, struct malloc_type *, int);
void	 kfree(void *, struct malloc_type *);

#endif
