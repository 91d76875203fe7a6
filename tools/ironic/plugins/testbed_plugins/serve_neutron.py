"""Make Neutron's tables, or serve its API.

python -P -m testbed_plugins.serve_neutron schema DATABASE-URL
python -P -m testbed_plugins.serve_neutron serve PORT --config-file FILE
"""

import sys


def schema(url: str) -> None:
    """Make the tables as the models have them: Neutron's migrations do not know sqlite."""
    import sqlalchemy as sa
    from neutron.db.migration.models import head

    head.get_metadata().create_all(sa.create_engine(url))


def serve(port: int) -> None:
    """Serve Neutron's WSGI application, which reads its configuration from the rest of the command line."""
    from cheroot import wsgi
    from neutron.wsgi.api import application

    wsgi.Server(("127.0.0.1", port), application).safe_start()


if __name__ == "__main__":
    verb, argument = sys.argv[1:3]
    sys.argv[1:3] = []
    if verb == "schema":
        schema(argument)
    else:
        serve(int(argument))
