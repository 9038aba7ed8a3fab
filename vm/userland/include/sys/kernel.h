#ifndef _SYS_KERNEL_H_
#define _SYS_KERNEL_H_

#include <sys/param.h>

extern int	hz;
int		ul_ticks(void);
#define ticks	ul_ticks()

enum sysinit_sub_id {
	SI_SUB_KLD	= 0x2000000,
	SI_SUB_DRIVERS	= 0x3100000,
	SI_SUB_PSEUDO	= 0x7000000,
	SI_SUB_EXEC	= 0x7400000
};

enum sysinit_elem_order {
	SI_ORDER_FIRST	= 0x0000000,
	SI_ORDER_SECOND	= 0x0000001,
	SI_ORDER_MIDDLE	= 0x1000000,
	SI_ORDER_ANY	= 0xfffffff
};

/* A kernel environment variable read into an int, as the module loads. */
#define TUNABLE_INT_FETCH(path, var)	kgetenv_int((path), (var))

#endif
