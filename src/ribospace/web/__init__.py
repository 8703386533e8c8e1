"""The atlas: a collection in a browser, as a server with a JSON API or as one file."""
