#ifndef _CPU_ATOMIC_H_
#define _CPU_ATOMIC_H_

/*
 * Macros, because they serve plain, volatile and _Atomic operands alike: the
 * fields that several CPUs touch are _Atomic here, where the kernel has plain
 * ones, so that C11 and ThreadSanitizer agree with what the hardware does.
 * Each is a place where an IPI may strike, as any instruction is on a CPU.
 */
#ifdef UL_CONTROL
void	ul_poll_at(const char *);	/* inside which function */
#define ul_poll()	ul_poll_at(__func__)
#else
void	ul_poll(void);
#endif

#define UL_ATOMIC(op)							\
	({ __typeof__(op) ul_value_ = (op); ul_poll(); ul_value_; })

/* The operand's type without qualifiers: a comma makes a value of it. */
#define ul_plain(p)	__typeof__(((void)0, *(p)))

#define ul_op(name, p, v, order)					\
	__atomic_ ## name((ul_plain(p) *)(void *)(p), (v), order)

#define atomic_set_int(p, v)						\
	((void)UL_ATOMIC(ul_op(fetch_or, p, v, __ATOMIC_SEQ_CST)))
#define atomic_clear_int(p, v)						\
	((void)UL_ATOMIC(ul_op(fetch_and, p, ~(v), __ATOMIC_SEQ_CST)))
#define atomic_add_int(p, v)						\
	((void)UL_ATOMIC(ul_op(fetch_add, p, v, __ATOMIC_SEQ_CST)))
#define atomic_subtract_int(p, v)					\
	((void)UL_ATOMIC(ul_op(fetch_sub, p, v, __ATOMIC_SEQ_CST)))
#define atomic_fetchadd_int(p, v)					\
	UL_ATOMIC(ul_op(fetch_add, p, v, __ATOMIC_SEQ_CST))
#define atomic_swap_int(p, v)						\
	UL_ATOMIC(ul_op(exchange_n, p, v, __ATOMIC_SEQ_CST))
#define atomic_cmpset_int(p, old, new)					\
	({ ul_plain(p) ul_old_ = (old);				\
	UL_ATOMIC((int)__atomic_compare_exchange_n(			\
	    (ul_plain(p) *)(void *)(p), &ul_old_, (new), 0,	\
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); })
#define atomic_load_acq_int(p)						\
	UL_ATOMIC(__atomic_load_n(					\
	    (ul_plain(p) *)(void *)__DECONST(void *, p), __ATOMIC_ACQUIRE))
#define atomic_store_rel_int(p, v) do {					\
	ul_op(store_n, p, v, __ATOMIC_RELEASE);				\
	ul_poll();							\
} while (0)

#define atomic_set_long		atomic_set_int
#define atomic_clear_long	atomic_clear_int
#define atomic_add_long		atomic_add_int
#define atomic_subtract_long	atomic_subtract_int
#define atomic_fetchadd_long	atomic_fetchadd_int
#define atomic_swap_long	atomic_swap_int
#define atomic_cmpset_long	atomic_cmpset_int
#define atomic_load_acq_long	atomic_load_acq_int
#define atomic_store_rel_long	atomic_store_rel_int
#define atomic_set_64		atomic_set_int
#define atomic_add_64		atomic_add_int
#define atomic_fetchadd_64	atomic_fetchadd_int
#define atomic_cmpset_ptr	atomic_cmpset_int
#define atomic_swap_ptr		atomic_swap_int
#define atomic_load_acq_ptr	atomic_load_acq_int
#define atomic_store_rel_ptr	atomic_store_rel_int

#endif
