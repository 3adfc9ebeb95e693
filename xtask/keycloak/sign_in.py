"""Signs a person in so many times, and prints the Cookie header of each session. Standard library only."""

import html
import http.cookiejar
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

base, sessions = sys.argv[1], int(sys.argv[2])


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


for _ in range(sessions):
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https")))
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), Stay)
    asked = {
        "client_id": "phone",
        "redirect_uri": "https://app.example.com/callback",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    page = browser.open(f"{base}/protocol/openid-connect/auth?{urllib.parse.urlencode(asked)}").read().decode()
    action = html.unescape(re.search(r'<form[^>]* action="([^"]*)"', page).group(1))
    fields = urllib.parse.urlencode({"username": "alice", "password": "correct horse battery staple"}).encode()
    try:
        browser.open(action, fields)
        sys.exit("the password was not enough")
    except urllib.error.HTTPError as answer:
        if answer.code != 302:
            sys.exit(f"status {answer.code}")
    print("; ".join(f"{cookie.name}={cookie.value}" for cookie in jar))
