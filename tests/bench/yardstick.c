/* The yardstick: what the kernel alone costs on this machine, and the clients of every measurement.
 *
 *   yardstick serve PORT                an epoll loop that accepts, answers the head and then only writes
 *   yardstick sink PORT CLIENTS TARGET SHARED
 *
 * serve: each connection is accepted, its request read once (not parsed), the same head written as zfront's, the
 * descriptor registered in an epoll. Prints "listening PORT", then obeys lines on standard input:
 *   clients          prints the number of connections
 *   flood SECONDS WINDOW SHARED   one write for each message to a random connection, never more than WINDOW
 *                    messages ahead of what the sink has counted in the shared file
 *   broadcast        writes one stamped message to every connection
 *   pace RATE COUNT  COUNT stamped messages at RATE per second to random connections
 * each answered by one line of JSON.
 *
 * sink: opens CLIENTS connections at once, from many source addresses, each asking for TARGET with %d = 1, 2, ..;
 * a TARGET of /ws/... with the handshake of a WebSocket, whose pings it does not answer; one of /poll/... counts as
 * connected once it has asked, for the answer comes when there is a message;
 * counts messages (the '#' in each) into the shared file and keeps the latency of stamped ones ("t=" and nanoseconds
 * of CLOCK_REALTIME). Obeys lines on standard input:
 *   count            prints {"connected", "closed", "messages"}
 *   latency          prints and clears {"n", "p50_ms", "p99_ms", "p999_ms", "max_ms"}
 *
 * The shared file holds one 64-bit counter: the messages that the sink has read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 512
#define MOST 65536
#define SAMPLES 4000000
#define PER_SOURCE 5000

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
                           "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n\r\n";

static int connections[MOST];
static int count;
static volatile uint64_t *shared;

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void map_shared(const char *path)
{
    int fd = open(path, O_RDWR);
    if (fd < 0)
        die(path);
    shared = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    close(fd);
}

static int chunk(char *out, int number, const char *message)
{
    char line[256];
    int length = snprintf(line, sizeof line, "Recvd msg #%d: '%s'<br/>\n", number, message);
    return sprintf(out, "%x\r\n%s\r\n", length, line);
}

static int stamped(char *out, int number)
{
    char message[64];
    snprintf(message, sizeof message, "t=%lld", (long long)now_ns(CLOCK_REALTIME));
    return chunk(out, number, message);
}

/* ---- serve ---- */

static uint64_t seed = 88172645463325252ULL;

static int numbers[MOST]; /* messages so far, as a connection's client counts them */

static int pick(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % count;
}

static void flood(double seconds, uint64_t window, const char *path)
{
    char out[512];
    uint64_t written = 0, missed = 0;
    map_shared(path);
    uint64_t before = *shared;
    double cpu = cpu_s();
    int64_t began = now_ns(CLOCK_MONOTONIC), end = began + (int64_t)(seconds * 1e9);
    while (now_ns(CLOCK_MONOTONIC) < end) {
        if (written - (*shared - before) >= window) {
            struct timespec pause = {0, 200000};
            nanosleep(&pause, NULL);
            continue;
        }
        for (int i = 0; i < 64; i++) {
            int one = pick();
            int length = chunk(out, ++numbers[one], "0123456789012345678901234");
            if (write(connections[one], out, length) == length)
                written++;
            else
                missed++;
        }
    }
    printf("{\"written\": %llu, \"missed\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n",
           (unsigned long long)written, (unsigned long long)missed,
           (now_ns(CLOCK_MONOTONIC) - began) / 1e9, cpu_s() - cpu);
}

static void broadcast(void)
{
    char out[512];
    double cpu = cpu_s();
    int length = stamped(out, numbers[0] + 1);
    for (int i = 0; i < count; i++, numbers[i]++)
        if (write(connections[i], out, length) != length)
            die("write");
    printf("{\"cpu_s\": %.6f}\n", cpu_s() - cpu);
}

static void pace(int rate, int messages)
{
    char out[512];
    double cpu = cpu_s();
    int64_t began = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < messages; i++) {
        int64_t due = began + (int64_t)i * 1000000000LL / rate;
        struct timespec at = {due / 1000000000LL, due % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        int one = pick();
        int length = stamped(out, ++numbers[one]);
        if (write(connections[one], out, length) != length)
            die("write");
    }
    printf("{\"cpu_s\": %.6f, \"seconds\": %.6f}\n", cpu_s() - cpu, (now_ns(CLOCK_MONOTONIC) - began) / 1e9);
}

static void take_all(int listener, int epoll)
{
    char request[8192];
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
        if (read(fd, request, sizeof request) <= 0 || count == MOST) {
            close(fd);
            continue;
        }
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        if (write(fd, HEAD, sizeof HEAD - 1) < 0)
            die("write");
        connections[count++] = fd;
    }
}

static void serve(int port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, defer = 5;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof defer);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        die("listen");
    socklen_t size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening %d\n", ntohs(address.sin_port));
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = 0;
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                take_all(listener, epoll);
            } else if (fd == 0) {
                char line[512], path[400];
                double seconds;
                unsigned long long window;
                int rate, messages;
                if (!fgets(line, sizeof line, stdin))
                    return;
                if (sscanf(line, "flood %lf %llu %399s", &seconds, &window, path) == 3)
                    flood(seconds, window, path);
                else if (sscanf(line, "pace %d %d", &rate, &messages) == 2)
                    pace(rate, messages);
                else if (strcmp(line, "broadcast\n") == 0)
                    broadcast();
                else
                    printf("{\"clients\": %d, \"cpu_s\": %.6f}\n", count, cpu_s());
            } else {
                epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
            }
        }
    }
}

/* ---- sink ---- */

static float *samples; /* milliseconds */
static long taken;

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void say_latency(void)
{
    qsort(samples, taken, sizeof *samples, by_value);
#define AT(q) (taken ? samples[(long)((taken - 1) * (q))] : 0.0)
    printf("{\"n\": %ld, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"max_ms\": %.4f}\n", taken,
           AT(0.5), AT(0.99), AT(0.999), AT(1.0));
    taken = 0;
}

/* A message is counted by its '#'; a stamp that is cut in two by a read is not sampled. */
static void look_at(char *data, ssize_t size)
{
    uint64_t found = 0;
    int64_t now = 0;
    data[size] = 0;
    for (char *at = data; (at = memchr(at, '#', data + size - at)); at++) {
        found++;
        char *stamp = strstr(at, "'t=");
        if (stamp && stamp < at + 16 && taken < SAMPLES) {
            char *end;
            long long then = strtoll(stamp + 3, &end, 10);
            if (!now)
                now = now_ns(CLOCK_REALTIME);
            if (*end == '\'' || *end == '&')
                samples[taken++] = (now - then) / 1e6;
        }
    }
    if (found)
        *shared += found;
}

/* A client of a WebSocket says this, too (RFC 6455, 4.1); the key is that of its section 1.3. */
static const char HANDSHAKE[] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

static void sink(int port, int clients, const char *target)
{
    static char data[262144 + 1];
    int epoll = epoll_create1(0), connected = 0, closed = 0, opened = 0;
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    static char has_head[MOST];
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    samples = malloc(SAMPLES * sizeof *samples);
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        /* At most 64 requests may be unanswered, so that no listen queue overflows. */
        while (opened < clients && opened - connected - closed < 64) {
            char path[1024], request[1536];
            struct sockaddr_in from = {.sin_family = AF_INET};
            int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
            /* A port chosen by bind() would be taken for all addresses, and for a minute after its end. */
            setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
            from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + opened / PER_SOURCE);
            if (fd < 0 || fd >= MOST || bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
                connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
                die("connect");
            opened++;
            snprintf(path, sizeof path, target, opened);
            int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path,
                                  strncmp(target, "/ws/", 4) ? "" : HANDSHAKE);
            if (write(fd, request, length) != length)
                die("write");
            if (strncmp(target, "/poll/", 6) == 0) {
                has_head[fd] = 1;
                connected++;
            }
            fcntl(fd, F_SETFL, O_NONBLOCK);
            event.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == 0) {
                char line[256];
                if (!fgets(line, sizeof line, stdin))
                    return;
                if (strcmp(line, "latency\n") == 0)
                    say_latency();
                else
                    printf("{\"connected\": %d, \"closed\": %d, \"messages\": %llu, \"cpu_s\": %.6f}\n", connected,
                           closed, (unsigned long long)*shared, cpu_s());
                continue;
            }
            ssize_t size = read(fd, data, sizeof data - 1);
            if (size > 0) {
                if (!has_head[fd]) {
                    has_head[fd] = 1;
                    connected++;
                }
                look_at(data, size);
            } else if (size == 0 || errno != EAGAIN) {
                closed++;
                close(fd);
            }
        }
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        serve(atoi(argv[2]));
    } else if (argc == 6 && strcmp(argv[1], "sink") == 0) {
        map_shared(argv[5]);
        sink(atoi(argv[2]), atoi(argv[3]), argv[4]);
    } else {
        fprintf(stderr, "usage: yardstick serve PORT | sink PORT CLIENTS TARGET SHARED\n");
        return 2;
    }
    return 0;
}
