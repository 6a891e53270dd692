"""The caches: as they are first set up, and with the setting that suits packs. What `good` marks must keep ranges."""

import re

from peers import HERE, Peer
from static import NGINX, apache, nginx

ORIGIN = Peer("origin", "dpkg:nginx", NGINX, {"nginx.conf": "origin.conf"})
KEPT = "proxy_cache_path @work@/kept keys_zone=packs:1m max_size=1g;"
SLICES = (
    "slice 1m; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1h;"
)
LOCK = "proxy_cache_lock on;"
LONG = "proxy_cache_lock_timeout 5m; proxy_cache_lock_age 5m;"
SQUID_LARGE = "cache_mem 512 MB\nmaximum_object_size_in_memory 256 MB\nmaximum_object_size 256 MB"
PROXY = "ProxyPass / http://127.0.0.1:@origin@/\nCacheRoot @work@\nCacheEnable disk /\n"


def from_page(language, start, end):
    """The lines of a configuration in s3-docs/other-hosts.md, from one text to another, with this origin."""
    page = (HERE.parent.parent / "s3-docs" / "other-hosts.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)
    block = next(block for block in blocks if start in block)
    lines = re.search(f"{re.escape(start)}.*{end}", block, re.S).group(0)
    return lines.replace("origin.example.org", "127.0.0.1:@origin@")


def nginx_cache(name, more="", good=False):
    where = f"location / {{ proxy_pass http://127.0.0.1:@origin@; proxy_http_version 1.1; proxy_cache packs; {more} }}"
    return nginx(name, KEPT, where, good)


def varnish(name, more="", good=False):
    command = ["varnishd", "-F", "-a", "127.0.0.1:@port@", "-f", "@work@/v.vcl", "-n", "@work@/v", "-s", "malloc,512m"]
    return Peer(name, "dpkg:varnish", command, {"v.vcl": "varnish.vcl"}, {"more": more}, good=good)


def squid(name, more=""):
    return Peer(name, "dpkg:squid", ["squid", "-N", "-f", "@work@/s.conf"], {"s.conf": "squid.conf"}, {"more": more})


def traffic_server(name, package="trafficserver", more="", good=False):
    files = ("records.config", "remap.config", "storage.config", "ip_allow.yaml")
    config = {"runroot.yaml": "ats-runroot.yaml", **{file: f"ats-{file}" for file in files}}
    environment = {"TS_RUNROOT": "@work@/runroot.yaml"}
    return Peer(name, f"dpkg:{package}", ["traffic_server"], config, {"more": more}, environment, good=good)


CACHES = [
    nginx_cache("nginx"),
    nginx_cache("nginx, lock", LOCK),
    nginx_cache("nginx, lock of 5 minutes", LOCK + LONG),
    nginx_cache("nginx, slices", SLICES, good=True),
    nginx_cache("nginx, slices, lock", SLICES + LOCK, good=True),
    nginx("nginx, by range, lock", KEPT, from_page("nginx", "location / {\n        proxy_pass", "lock on;\n    }"), True),
    varnish("Varnish"),
    varnish("Varnish, by range", from_page("vcl", "sub vcl_recv", "}\n"), good=True),
    squid("squid"),
    squid("squid, large objects", SQUID_LARGE),
    squid("squid, large objects, whole", f"{SQUID_LARGE}\nrange_offset_limit none\nquick_abort_min -1 KB"),
    traffic_server("Traffic Server"),
    traffic_server("Traffic Server, by range", "trafficserver-experimental-plugins",
                   "@plugin=cache_range_requests.so", True),
    Peer("HAProxy", "dpkg:haproxy", ["haproxy", "-db", "-f", "@work@/h.cfg"], {"h.cfg": "haproxy.cfg"}),
    apache("Apache `mod_cache`", PROXY),
    apache("Apache `mod_cache`, large objects", f"{PROXY}CacheMaxFileSize 300000000\nCacheLock on\nCacheLockPath @work@/lock\n"),
]
