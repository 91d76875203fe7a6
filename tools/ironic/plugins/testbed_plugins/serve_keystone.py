"""Serve Keystone's API over TLS.

python -P -m testbed_plugins.serve_keystone PORT CERTIFICATE KEY --config-file FILE
"""

import sys


def serve(port: int, certificate: str, key: str) -> None:
    """Serve Keystone's WSGI application, which reads its configuration from the rest of the command line."""
    from cheroot import wsgi
    from cheroot.ssl.builtin import BuiltinSSLAdapter
    from keystone.wsgi.api import application

    server = wsgi.Server(("127.0.0.1", port), application)
    server.ssl_adapter = BuiltinSSLAdapter(certificate, key)
    server.safe_start()


if __name__ == "__main__":
    port_number, certificate_file, key_file = sys.argv[1:4]
    sys.argv[1:4] = []
    serve(int(port_number), certificate_file, key_file)
