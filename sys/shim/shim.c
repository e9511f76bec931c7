/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint16_t vd_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(port, queue, pkts, n);
}

uint16_t vd_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_tx_burst(port, queue, pkts, n);
}

void vd_free_bulk(struct rte_mbuf **pkts, unsigned int n)
{
	rte_pktmbuf_free_bulk(pkts, n);
}

int vd_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **pkts, unsigned int n)
{
	return rte_pktmbuf_alloc_bulk(pool, pkts, n);
}

unsigned int vd_ring_enqueue_burst(struct rte_ring *ring, struct rte_mbuf *const *pkts, unsigned int n)
{
	return rte_ring_enqueue_burst(ring, (void *const *)pkts, n, NULL);
}

unsigned int vd_ring_dequeue_burst(struct rte_ring *ring, struct rte_mbuf **pkts, unsigned int n)
{
	return rte_ring_dequeue_burst(ring, (void **)pkts, n, NULL);
}

unsigned int vd_ring_count(const struct rte_ring *ring)
{
	return rte_ring_count(ring);
}

uint64_t vd_rdtsc(void)
{
	return rte_rdtsc();
}

int vd_errno(void)
{
	return rte_errno;
}

unsigned int vd_lcore_id(void)
{
	return rte_lcore_id();
}

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static bool log_capturing;
static char *log_text; /* NUL-terminated when not NULL */
static size_t log_length;

/* Appends to the captured text; what does not fit memory is lost. Called with the lock held. */
static void log_append(const char *text, size_t size)
{
	char *grown = realloc(log_text, log_length + size + 1);

	if (grown == NULL)
		return;
	memcpy(grown + log_length, text, size);
	log_text = grown;
	log_length += size;
	log_text[log_length] = '\0';
}

/* A short write to standard error is no reason to fail: there is nobody to tell. */
static ssize_t log_write(void *cookie, const char *text, size_t size)
{
	(void)cookie;
	pthread_mutex_lock(&log_lock);
	if (log_capturing)
		log_append(text, size);
	else if (write(STDERR_FILENO, text, size) < 0)
		errno = 0;
	pthread_mutex_unlock(&log_lock);
	return (ssize_t)size;
}

int vd_log_install(void)
{
	static const cookie_io_functions_t functions = { .write = log_write };
	FILE *stream = fopencookie(NULL, "w", functions);

	if (stream == NULL)
		return -1;
	return rte_openlog_stream(stream);
}

void vd_log_capture_begin(void)
{
	pthread_mutex_lock(&log_lock);
	log_capturing = true;
	pthread_mutex_unlock(&log_lock);
}

char *vd_log_capture_end(void)
{
	char *text;

	pthread_mutex_lock(&log_lock);
	log_capturing = false;
	text = log_text;
	log_text = NULL;
	log_length = 0;
	pthread_mutex_unlock(&log_lock);
	return text;
}

void vd_log_free(char *text)
{
	free(text);
}

#define TYPE(t) { #t, NULL, 0, sizeof(struct t) }
#define FIELD(t, f) { #t, #f, offsetof(struct t, f), sizeof(((struct t *)0)->f) }

static const struct vd_layout layouts[] = {
	TYPE(rte_mbuf),
	FIELD(rte_mbuf, buf_addr),
	FIELD(rte_mbuf, data_off),
	FIELD(rte_mbuf, refcnt),
	FIELD(rte_mbuf, nb_segs),
	FIELD(rte_mbuf, port),
	FIELD(rte_mbuf, ol_flags),
	FIELD(rte_mbuf, packet_type),
	FIELD(rte_mbuf, pkt_len),
	FIELD(rte_mbuf, data_len),
	FIELD(rte_mbuf, hash.rss),
	FIELD(rte_mbuf, buf_len),
	FIELD(rte_mbuf, pool),
	FIELD(rte_mbuf, next),

	TYPE(rte_eth_dev_info),
	FIELD(rte_eth_dev_info, driver_name),
	FIELD(rte_eth_dev_info, min_mtu),
	FIELD(rte_eth_dev_info, max_mtu),
	FIELD(rte_eth_dev_info, if_index),
	FIELD(rte_eth_dev_info, max_rx_pktlen),
	FIELD(rte_eth_dev_info, max_rx_queues),
	FIELD(rte_eth_dev_info, max_tx_queues),
	FIELD(rte_eth_dev_info, rx_offload_capa),
	FIELD(rte_eth_dev_info, tx_offload_capa),
	FIELD(rte_eth_dev_info, reta_size),
	FIELD(rte_eth_dev_info, hash_key_size),
	FIELD(rte_eth_dev_info, flow_type_rss_offloads),
	FIELD(rte_eth_dev_info, default_rxconf),
	FIELD(rte_eth_dev_info, default_txconf),

	TYPE(rte_eth_conf),
	FIELD(rte_eth_conf, rxmode),
	FIELD(rte_eth_conf, rxmode.mq_mode),
	FIELD(rte_eth_conf, rxmode.mtu),
	FIELD(rte_eth_conf, rxmode.offloads),
	FIELD(rte_eth_conf, txmode),
	FIELD(rte_eth_conf, txmode.offloads),
	FIELD(rte_eth_conf, rx_adv_conf.rss_conf),

	TYPE(rte_eth_rss_conf),
	FIELD(rte_eth_rss_conf, rss_key),
	FIELD(rte_eth_rss_conf, rss_key_len),
	FIELD(rte_eth_rss_conf, rss_hf),

	TYPE(rte_eth_rss_reta_entry64),
	FIELD(rte_eth_rss_reta_entry64, mask),
	FIELD(rte_eth_rss_reta_entry64, reta),

	TYPE(rte_eth_rxconf),
	FIELD(rte_eth_rxconf, offloads),
	TYPE(rte_eth_txconf),
	FIELD(rte_eth_txconf, offloads),

	TYPE(rte_eth_stats),
	FIELD(rte_eth_stats, ipackets),
	FIELD(rte_eth_stats, opackets),
	FIELD(rte_eth_stats, ibytes),
	FIELD(rte_eth_stats, obytes),
	FIELD(rte_eth_stats, imissed),
	FIELD(rte_eth_stats, ierrors),
	FIELD(rte_eth_stats, oerrors),
	FIELD(rte_eth_stats, rx_nombuf),

	/* link_status and its neighbors are bit fields, which have no offset. */
	TYPE(rte_eth_link),
	FIELD(rte_eth_link, link_speed),

	TYPE(rte_eth_xstat),
	FIELD(rte_eth_xstat, id),
	FIELD(rte_eth_xstat, value),
	TYPE(rte_eth_xstat_name),
	FIELD(rte_eth_xstat_name, name),

	TYPE(rte_ether_addr),
	FIELD(rte_ether_addr, addr_bytes),
};

const struct vd_layout *vd_layout_table(size_t *rows)
{
	*rows = RTE_DIM(layouts);
	return layouts;
}
