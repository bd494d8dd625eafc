#include "base/rest_hosts.h"

#include "base/faults.h"

#include <arpa/inet.h>
#include <string.h>

enum { HOST_MAX = 253 };

static const struct {
    const char *region, *host;
} regions[] = {
    {"china", "console.tim.qq.com"},
    {"singapore", "adminapisgp.im.qcloud.com"},
    {"usa", "adminapiusa.im.qcloud.com"},
    {"jakarta", "adminapiidn.im.qcloud.com"},
};
enum { REGIONS = sizeof(regions) / sizeof(regions[0]) };

static const char *region_host(const char *name)
{
    for (size_t i = 0; i < REGIONS; i++)
        if (strcmp(regions[i].region, name) == 0)
            return regions[i].host;
    return NULL;
}

static int bad_region(const char *text, struct err *err)
{
    const char *names[REGIONS];
    const char *near;

    for (size_t i = 0; i < REGIONS; i++)
        names[i] = regions[i].region;
    near = faults_suggest(text, names, REGIONS);
    if (near)
        return err_set(err, ERR_USAGE, "\"%.64s\" is no region; did you mean \"%s\"?", text, near);
    return err_set(err, ERR_USAGE,
                   "it is neither china, singapore, usa or jakarta nor an https:// URL; write for example singapore");
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* "127.x.y.z" or "[::1]". */
static bool is_loopback(struct span host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (span_is(host, "[::1]"))
        return true;
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool is_port(struct span port)
{
    unsigned long long n;

    return span_to_u64(port, &n) && n > 0 && n <= 65535;
}

/* Splits "host:port" and "[v6]:port"; false when it is neither. */
static bool host_split(struct span authority, struct span *host)
{
    size_t len = 0;

    if (authority.len > 0 && authority.data[0] == '[') {
        while (len < authority.len && authority.data[len] != ']')
            len++;
        if (len++ >= authority.len)
            return false;
        for (size_t i = 1; i + 1 < len; i++)
            if (!strchr("0123456789abcdefABCDEF:.", authority.data[i]))
                return false;
    } else {
        while (len < authority.len && is_host_char(authority.data[len]))
            len++;
    }
    *host = (struct span){authority.data, len};
    return len > 0 && len <= HOST_MAX &&
           (len == authority.len ||
            (authority.data[len] == ':' && is_port((struct span){authority.data + len + 1, authority.len - len - 1})));
}

int rest_hosts_check(const char *rest_api, struct err *err)
{
    const bool https = strncmp(rest_api, "https://", 8) == 0, http = strncmp(rest_api, "http://", 7) == 0;
    struct span authority, host;

    if (region_host(rest_api))
        return 0;
    if (!https && !http)
        return bad_region(rest_api, err);
    authority = span_of(rest_api + (https ? 8 : 7));
    if (memchr(authority.data, '@', authority.len))
        return err_set(err, ERR_USAGE, "the URL names a user; write scheme and host alone");
    if (authority.len > 0 && authority.data[authority.len - 1] == '/')
        authority.len--;
    if (memchr(authority.data, '/', authority.len) || memchr(authority.data, '?', authority.len) ||
        memchr(authority.data, '#', authority.len))
        return err_set(err, ERR_USAGE, "the URL has a path or a query; write scheme and host alone");
    if (!host_split(authority, &host))
        return err_set(err, ERR_USAGE,
                       "the URL names no host, or no port from 1 to 65535; write for example "
                       "https://adminapisgp.my-imcloud.com");
    if (http && !is_loopback(host))
        return err_set(err, ERR_USAGE,
                       "over http a signature could be read on the way; write https, or an address "
                       "that begins with 127.");
    return 0;
}

void rest_hosts_url(struct buf *out, const char *rest_api)
{
    const char *host = region_host(rest_api);
    size_t len = strlen(rest_api);

    if (host) {
        buf_addf(out, "https://%s", host);
        return;
    }
    buf_add(out, rest_api, len > 0 && rest_api[len - 1] == '/' ? len - 1 : len);
}
