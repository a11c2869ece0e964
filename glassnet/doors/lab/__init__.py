"""The lab: the local web page and the HTTP API behind it. One file a room; the page itself is in web/."""
