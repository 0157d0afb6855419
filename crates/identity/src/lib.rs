//! Who is calling: API keys, from the text in a header to a consumer on a plan.
