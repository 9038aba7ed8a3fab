#ifndef _SYS_STDINT_H_
#define _SYS_STDINT_H_

#include <machine/stdint.h>

typedef __int8_t	int8_t;
typedef __uint8_t	uint8_t;
typedef __int16_t	int16_t;
typedef __uint16_t	uint16_t;
typedef __int32_t	int32_t;
typedef __uint32_t	uint32_t;
typedef __int64_t	int64_t;
typedef __uint64_t	uint64_t;
typedef __intptr_t	intptr_t;
typedef __uintptr_t	uintptr_t;
typedef __INTMAX_TYPE__	intmax_t;
typedef __UINTMAX_TYPE__ uintmax_t;

#define INT8_MAX	__INT8_MAX__
#define UINT8_MAX	__UINT8_MAX__
#define INT16_MAX	__INT16_MAX__
#define UINT16_MAX	__UINT16_MAX__
#define INT32_MAX	__INT32_MAX__
#define INT32_MIN	(-INT32_MAX - 1)
#define UINT32_MAX	__UINT32_MAX__
#define INT64_MAX	__INT64_MAX__
#define INT64_MIN	(-INT64_MAX - 1)
#define UINT64_MAX	__UINT64_MAX__

#endif
