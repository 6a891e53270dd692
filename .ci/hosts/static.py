"""The static servers, each started as its users first start it."""

from peers import Peer

NGINX = ["nginx", "-p", "@work@", "-c", "@work@/nginx.conf", "-e", "@work@/error.log"]
APACHE = ["apache2", "-DFOREGROUND", "-f", "@work@/apache.conf"]
PYTHON = "@venv@/bin/python"


def nginx(name, http="", server="", good=False):
    options = {"http": http, "server": server}
    return Peer(name, "dpkg:nginx", NGINX, {"nginx.conf": "nginx.conf"}, options, good=good)


def app(name, package):
    return Peer(name, f"pip:{package}", [PYTHON, "@here@/apps.py", package.lower(), "@root@", "@port@"])


def apache(name, more=""):
    return Peer(name, "dpkg:apache2-bin", APACHE, {"apache.conf": "apache.conf"}, {"more": more})


def caddy(name, more=""):
    command = ["caddy", "run", "--config", "@work@/Caddyfile", "--adapter", "caddyfile"]
    return Peer(name, "dpkg:caddy", command, {"Caddyfile": "Caddyfile"}, {"more": more})


GZIP = "gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;"

SERVERS = [
    nginx("nginx"),
    nginx("nginx, `gzip` for all types", http=GZIP),
    apache("Apache"),
    apache("Apache, `DEFLATE` for all types", "SetOutputFilter DEFLATE"),
    Peer("lighttpd", "dpkg:lighttpd", ["lighttpd", "-D", "-f", "@work@/l.conf"], {"l.conf": "lighttpd.conf"}),
    caddy("Caddy"),
    caddy("Caddy, `encode gzip`", "encode {\n gzip\n minimum_length 1\n match {\n header Content-Type *\n }\n }"),
    Peer("h2o", "dpkg:h2o", ["h2o", "-c", "@work@/h2o.yaml"], {"h2o.yaml": "h2o.yaml"}),
    Peer("busybox httpd", "dpkg:busybox", ["busybox", "httpd", "-f", "-p", "127.0.0.1:@port@", "-h", "@root@"]),
    Peer("mini-httpd", "dpkg:mini-httpd",
         ["mini_httpd", "-D", "-h", "127.0.0.1", "-p", "@port@", "-d", "@root@", "-u", "www-data", "-i", "@work@/pid"]),
    Peer("micro-httpd", "dpkg:micro-httpd", ["python3", "@here@/inetd.py", "@port@", "/usr/sbin/micro-httpd", "@root@"]),
    Peer("webfs", "dpkg:webfs", ["webfsd", "-F", "-i", "127.0.0.1", "-p", "@port@", "-r", "@root@"]),
    Peer("weborf", "dpkg:weborf", ["weborf", "-i", "127.0.0.1", "-p", "@port@", "-b", "@root@"]),
    Peer("civetweb", "dpkg:civetweb",
         ["civetweb", "-document_root", "@root@", "-listening_ports", "127.0.0.1:@port@"]),
    Peer("rclone serve http", "dpkg:rclone", ["rclone", "serve", "http", "@root@", "--addr", "127.0.0.1:@port@"]),
    Peer("rclone serve webdav", "dpkg:rclone", ["rclone", "serve", "webdav", "@root@", "--addr", "127.0.0.1:@port@"]),
    Peer("PHP's `-S`", "dpkg:php-cli", ["php", "-S", "127.0.0.1:@port@", "-t", "@root@"]),
    Peer("Ruby's WEBrick", "dpkg:ruby-webrick",
         ["ruby", "-run", "-e", "httpd", "--", "-b", "127.0.0.1", "-p", "@port@", "@root@"]),
    Peer("Ruby's Puma", "dpkg:puma",
         ["puma", "-b", "tcp://127.0.0.1:@port@", "@work@/config.ru"], {"config.ru": "rack.ru"}),
    Peer("Perl's Plack", "dpkg:libplack-perl",
         ["plackup", "-s", "HTTP::Server::PSGI", "--host", "127.0.0.1", "--port", "@port@", "-MPlack::App::Directory",
          "-e", 'Plack::App::Directory->new({root => "@root@"})->to_app']),
    Peer("Perl's Mojolicious", "dpkg:libmojolicious-perl",
         ["perl", "-Mojo", "-e", 'app->static->paths(["@root@"]); app->start', "daemon", "-l", "http://127.0.0.1:@port@"]),
    Peer("Python's `http.server`", "python",
         ["python3", "-m", "http.server", "@port@", "--bind", "127.0.0.1", "-d", "@root@"]),
    Peer("RangeHTTPServer", "pip:rangehttpserver",
         ["sh", "-c", "cd @root@ && exec @venv@/bin/python -m RangeHTTPServer --bind 127.0.0.1 @port@"]),
    Peer("Twisted Web", "pip:Twisted",
         ["@venv@/bin/twist", "web", "--path", "@root@", "--port", "tcp:@port@:interface=127.0.0.1"]),
    app("aiohttp", "aiohttp"),
    app("Starlette, uvicorn", "starlette"),
    app("Tornado", "tornado"),
    app("WhiteNoise, waitress", "whitenoise"),
    app("CherryPy", "CherryPy"),
    app("Flask", "Flask"),
    Peer("WsgiDAV", "pip:wsgidav",
         ["@venv@/bin/wsgidav", "--host", "127.0.0.1", "--port", "@port@", "--root", "@root@", "--auth", "anonymous"]),
    Peer("copyparty", "pip:copyparty",
         [PYTHON, "-m", "copyparty", "-q", "-i", "127.0.0.1", "-p", "@port@", "-v", "@root@::r", "--no-crt"]),
    Peer("moto (S3)", "pip:moto", ["@venv@/bin/moto_server", "-H", "127.0.0.1", "-p", "@port@"],
         prefix="/images", publish="put"),
    Peer("http-server", "npm:http-server",
         ["@npm@/node_modules/.bin/http-server", "@root@", "-a", "127.0.0.1", "-p", "@port@"]),
    Peer("serve", "npm:serve", ["@npm@/node_modules/.bin/serve", "-l", "tcp://127.0.0.1:@port@", "@root@"]),
    Peer("sirv-cli", "npm:sirv-cli",
         ["@npm@/node_modules/.bin/sirv", "@root@", "--host", "127.0.0.1", "--port", "@port@"]),
    Peer("sirv-cli for developers", "npm:sirv-cli",
         ["@npm@/node_modules/.bin/sirv", "@root@", "--dev", "--host", "127.0.0.1", "--port", "@port@"]),
    Peer("local-web-server", "npm:local-web-server",
         ["@npm@/node_modules/.bin/ws", "-d", "@root@", "-p", "@port@", "--hostname", "127.0.0.1"]),
    Peer("Express", "npm:express",
         ["node", "-e", 'const e = require("@npm@/node_modules/express"); '
          'e().use(e.static("@root@")).listen(@port@, "127.0.0.1")']),
    Peer("`regrow serve`", "itself", ["@regrow@", "serve", "@root@", "--listen", "127.0.0.1:@port@"]),
]

LIMITED = [
    nginx(f"nginx, `limit_req` of 5 a second, {status}", http=f"limit_req_zone $binary_remote_addr zone=few:1m rate=5r/s; "
          f"limit_req_status {status};", server="limit_req zone=few;")
    for status in (503, 429)
]
