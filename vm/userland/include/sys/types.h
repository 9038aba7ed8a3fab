#ifndef _SYS_TYPES_H_
#define _SYS_TYPES_H_

#include <sys/cdefs.h>
#include <sys/stdint.h>

typedef unsigned char	u_char;
typedef unsigned short	u_short;
typedef unsigned int	u_int;
typedef unsigned long	u_long;
typedef __uint8_t	u_int8_t;
typedef __uint16_t	u_int16_t;
typedef __uint32_t	u_int32_t;
typedef __uint64_t	u_int64_t;
typedef __int64_t	quad_t;
typedef __uint64_t	u_quad_t;
typedef __size_t	size_t;
typedef __INTPTR_TYPE__	ssize_t;
typedef __off_t		off_t;
typedef __int64_t	time_t;
typedef long		suseconds_t;
typedef __uint64_t	tsc_uclock_t;
typedef __int64_t	tsc_sclock_t;
typedef __uint64_t	vm_offset_t;
typedef __uint64_t	vm_size_t;
typedef int		boolean_t;

#endif
