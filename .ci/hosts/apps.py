"""Static files by Python's frameworks, each as its own documentation starts: apps.py NAME ROOT PORT."""

import sys


def aiohttp(root, port):
    from aiohttp import web

    app = web.Application()
    app.router.add_static("/", root)
    web.run_app(app, host="127.0.0.1", port=port)


def starlette(root, port):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    app = Starlette(routes=[Mount("/", app=StaticFiles(directory=root))])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def tornado(root, port):
    import asyncio

    from tornado.web import Application, StaticFileHandler

    async def serve():
        Application([("/(.*)", StaticFileHandler, {"path": root})]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def whitenoise(root, port):
    from waitress import serve
    from whitenoise import WhiteNoise

    def absent(environment, start_response):
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    # In this mode files are looked for at each request, and not only at the start.
    serve(WhiteNoise(absent, root=root, autorefresh=True), host="127.0.0.1", port=port)


def cherrypy(root, port):
    import cherrypy as framework

    framework.config.update({"server.socket_host": "127.0.0.1", "server.socket_port": port})
    framework.config.update({"environment": "production"})
    framework.quickstart(None, "/", {"/": {"tools.staticdir.on": True, "tools.staticdir.dir": root}})


def flask(root, port):
    from flask import Flask

    Flask(__name__, static_folder=root, static_url_path="").run("127.0.0.1", port, threaded=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
