#ifndef _CPU_STDARG_H_
#define _CPU_STDARG_H_

typedef __builtin_va_list	__va_list;
#define __va_start(ap, last)	__builtin_va_start(ap, last)
#define __va_arg(ap, type)	__builtin_va_arg(ap, type)
#define __va_copy(to, from)	__builtin_va_copy(to, from)
#define __va_end(ap)		__builtin_va_end(ap)

#endif
