// openid-client as a program's developer would use it: discovery, client credentials by both methods, introspection,
// revocation, and tokens bound to a key. Prints a line for each thing it did.
const [library, issuer, id, secret, resource] = process.argv.slice(2);
const oauth = await import(library);
const url = new URL(`${resource}/books`);
const wanted = { scope: "orders:read", resource };

const discovered = (method) =>
  oauth.discovery(new URL(issuer), id, undefined, method(secret), {
    algorithm: "oauth2",
    execute: [oauth.allowInsecureRequests],
  });

for (const method of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
  const config = await discovered(method);
  const tokens = await oauth.clientCredentialsGrant(config, wanted);
  console.log(method.name, tokens.token_type, tokens.expires_in > 590, tokens.scope);
  const call = () => oauth.fetchProtectedResource(config, tokens.access_token, url, "GET");
  console.log("call", (await call()).status);
  const looked = await oauth.tokenIntrospection(config, tokens.access_token);
  console.log("introspection", looked.active, looked.client_id, looked.aud === resource);
  await oauth.tokenRevocation(config, tokens.access_token);
  console.log("introspection", (await oauth.tokenIntrospection(config, tokens.access_token)).active);
  const refused = await call().catch((error) => error);
  console.log("call", refused.status, refused.cause?.[0]?.parameters?.error);
}

const config = await discovered(oauth.ClientSecretBasic);
for (const algorithm of ["ES256", "Ed25519"]) {
  const pair = await oauth.randomDPoPKeyPair(algorithm);
  const DPoP = oauth.getDPoPHandle(config, pair);
  const tokens = await oauth.clientCredentialsGrant(config, wanted, { DPoP });
  console.log(algorithm, tokens.token_type);
  for (const [method, body] of [["GET", undefined], ["GET", undefined], ["POST", "{}"]]) {
    const fields = new Headers(body ? { "content-type": "application/json" } : {});
    const bound = await oauth.fetchProtectedResource(config, tokens.access_token, url, method, body, fields, { DPoP });
    console.log("bound call", bound.status);
  }
  const stolen = await fetch(url, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  console.log("stolen", stolen.status, stolen.headers.get("callgate-refused"));
  const thief = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair(algorithm));
  const args = [config, tokens.access_token, url, "GET", undefined, undefined, { DPoP: thief }];
  const caught = await oauth.fetchProtectedResource(...args).catch((error) => error);
  console.log("by another key", caught.status ?? caught.code);
}
