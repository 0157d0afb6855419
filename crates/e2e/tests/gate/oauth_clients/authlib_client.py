"""authlib as a program's developer would use it. Prints a line for each thing it did."""
import sys

from authlib.integrations.requests_client import OAuth2Session

endpoints, client, secret, resource = sys.argv[1:5]
for method in ("client_secret_basic", "client_secret_post"):
    session = OAuth2Session(client, secret, scope="orders:read", token_endpoint_auth_method=method)
    token = session.fetch_token(f"{endpoints}/oauth/token", grant_type="client_credentials")
    print(method, token["token_type"], token["scope"])
    print("call", session.get(f"{resource}/books").status_code)
    looked = session.introspect_token(f"{endpoints}/oauth/introspect", token=token["access_token"])
    print("introspection", looked.json()["active"])
    print("revocation", session.revoke_token(f"{endpoints}/oauth/revoke", token=token["access_token"]).status_code)
    print("call", session.get(f"{resource}/books").status_code)
