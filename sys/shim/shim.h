/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Rust cannot call directly: DPDK's burst functions are `static inline`, its errno is thread-local,
 * and its flag macros are not constants that a binding generator can read.
 *
 * Every packet function takes a whole burst, so that a worker pays for one foreign call per burst.
 * No policy lives here: names, sizes and flags come from the caller.
 */
#ifndef VD_SHIM_H
#define VD_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_version.h>

/* Flags as typed constants. */
static const uint64_t VD_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t VD_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t VD_TX_OFFLOAD_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t VD_TX_OFFLOAD_TCP_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static const uint64_t VD_TX_OFFLOAD_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t VD_MBUF_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t VD_MBUF_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t VD_MBUF_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t VD_MBUF_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t VD_MBUF_INDIRECT = RTE_MBUF_F_INDIRECT;
static const uint64_t VD_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t VD_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t VD_RSS_UDP = RTE_ETH_RSS_UDP;
static const uint32_t VD_RX_MQ_NONE = RTE_ETH_MQ_RX_NONE;
static const uint32_t VD_RX_MQ_RSS = RTE_ETH_MQ_RX_RSS;
/* Bytes of a name, with the terminating NUL. */
static const uint32_t VD_MEMPOOL_NAME_SIZE = RTE_MEMPOOL_NAMESIZE;
static const uint32_t VD_RING_NAME_SIZE = RTE_RING_NAMESIZE;
static const uint32_t VD_LCORE_ID_ANY = LCORE_ID_ANY;

/* rte_eth_rx_burst: frames written to `pkts`, at most `n`. */
uint16_t vd_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
/* rte_eth_tx_burst: frames from the front of `pkts` that the driver now owns. */
uint16_t vd_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
/* Returns `n` frames, with all their segments, to their pools. */
void vd_free_bulk(struct rte_mbuf **pkts, unsigned int n);
/* Takes `n` reset frames from `pool`: 0, or a negative errno and none taken. */
int vd_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **pkts, unsigned int n);

/* Enqueue and dequeue in the synchronisation mode that the ring was created with (single producer,
 * multi-producer, relaxed tail): the number of frames from the front of `pkts` that went through. */
unsigned int vd_ring_enqueue_burst(struct rte_ring *ring, struct rte_mbuf *const *pkts, unsigned int n);
unsigned int vd_ring_dequeue_burst(struct rte_ring *ring, struct rte_mbuf **pkts, unsigned int n);

/* Frames in the ring; a snapshot. */
unsigned int vd_ring_count(const struct rte_ring *ring);

/* The time-stamp counter, in ticks of rte_get_tsc_hz(). */
uint64_t vd_rdtsc(void);
/* rte_errno of the calling thread. */
int vd_errno(void);
/* rte_lcore_id of the calling thread; VD_LCORE_ID_ANY if EAL does not know the thread. */
unsigned int vd_lcore_id(void);

/* DPDK's log goes through a stream of ours: to standard error, or, between begin and end, into memory.
 * The stream is opened once and never closed, because any thread of DPDK may be writing to it at any time.
 * install: 0, or -1 without memory, and logging goes where it went. One capture at a time, by the caller's care.
 * end returns what was logged since begin, to be released by vd_log_free, or NULL for nothing. */
int vd_log_install(void);
void vd_log_capture_begin(void);
char *vd_log_capture_end(void);
void vd_log_free(char *text);

/* The C compiler's view of every field that Rust touches. A row without a field is the type itself. */
struct vd_layout {
	const char *type;
	const char *field;
	size_t offset;
	size_t size;
};
const struct vd_layout *vd_layout_table(size_t *rows);

#endif
