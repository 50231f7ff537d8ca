"""Texts made of names, secrets and the ways that logs write them; a seed gives the same ones again."""

import json
import random
import string


def _words(text):
    return text.split()


ALPHANUMERIC = string.ascii_letters + string.digits
PASSWORD_NAMES = _words(
    """
    password passwd db_password DB_PASSWORD REDIS_PASSWORD user_password PASSWORD pwd newPassword new_password
    password_confirm SMTP_PASSWORD MYSQL_ROOT_PASSWORD POSTGRES_PASSWORD INIT_PASSWORD passphrase
    """
)
TOKEN_NAMES = _words(
    """
    token access_token refresh_token invite_token reset_token auth_token api_key apikey apiKey API_KEY
    OPENAI_API_KEY x-api-key secret_key SECRET_KEY client_secret app_secret accessToken PLUGIN_DAEMON_KEY
    WEAVIATE_API_KEY private_key encryption_key csrf_token X-CSRF-Token webhook_secret SANDBOX_API_KEY
    CODE_EXECUTION_API_KEY id_token bot_token x-auth-token hf_token secretAccessKey jwt_secret access_key
    AccessKeySecret api-key INNER_API_KEY_FOR_PLUGIN
    """
)
#: Ways to write a name `{n}` and its value `{v}`.
FORMS = [
    "{n}={v}", "login failed {n}={v} user=bob", "{n}: {v}", "  {n}: {v}\n  other: 1", '{{"{n}": "{v}"}}',
    '{{"a":1,"{n}":"{v}","b":[1,2]}}', "{{'{n}': '{v}', 'x': 1}}", "connect(host='h', {n}='{v}', port=1)", '{n}="{v}"',
    "export {n}={v}", "--{n} {v} --port 80", "--{n}={v}", "args: [--{n}, {v}]", "['--{n}', '{v}']", '{n} = "{v}"',
    "{n} = {v}", '{n} : "{v}"', "&{{Name:x {n}:{v}}}", "map[{n}:{v} a:b]", "({n}={v})", '"{n}" => "{v}"',
    "<{n}>{v}</{n}>", '{{\n  "id": 1,\n  "{n}": "{v}",\n  "z": null\n}}', "host=h user=u {n}={v} dbname=d",
    "Server=db;{n}={v};Encrypt=true", 'msg="bad" {n}="{v}" level=error', "level=info {n}={v} took=3ms", "[{n}={v}]",
    "{n}={v}, user=bob", "{n}={v}; user=bob", "('{n}', '{v}')", "(b'{n}', b'{v}')", "{n}={v}\nNEXT=1",
    "- name: X\n  {n}: '{v}'", "{n}=SecretStr('{v}')", 'os.environ["{n}"] = "{v}"', '"{n}": ["{v}"]', "{n} -> {v}",
    "error: {n}={v}.", 'curl -H "{n}: {v}" http://x', "curl -d '{{\"{n}\":\"{v}\"}}' http://x", "`{n}`: `{v}`",
    "**{n}**: {v}", "{n}：{v}", "your {n} is: {v}",
    "  File \"/app/a.py\", line 3, in f\n    x({n}='{v}')\nValueError",
]  # fmt: skip
#: Ways in which a value stands in a URL.
URL_FORMS = [
    "https://h/p?{n}={v}&x=1",
    "GET /cb?a=b&{n}={v} HTTP/1.1",
    "https://u:{v}@h:80/x",
    "r=https%3A%2F%2Fx%3F{n}%3D{v}%26a%3Db",
]


def _text(chance, length, alphabet=ALPHANUMERIC):
    return "".join(chance.choice(alphabet) for _ in range(length))


def password(chance):
    """Return a password as people choose them, or a generated one."""
    return chance.choice(
        ["hunter2", "letmein", "S3cret!", "p@ssW0rd!", "Tr0ub4dor&3", "admin123", "123456", "abc#def9",
         "correct-horse-9",
         "Pass.word.2024", "qwerty", "dragon", "x$y%z9", "a+b/c==", "P4ss~word", "9f.k2:Zz8", _text(chance, 12),
         _text(chance, 8) + "!" + _text(chance, 3), _text(chance, 20, "0123456789abcdef")]
    )  # fmt: skip


def token(chance):
    """Return a generated token: alphanumeric, hexadecimal, base64 or a UUID."""
    number = f"{chance.getrandbits(128):032x}"
    return chance.choice(
        [_text(chance, 32), number, f"{number[:8]}-{number[8:12]}-4{number[13:16]}-8{number[17:20]}-{number[20:]}",
         "Z9" + _text(chance, 41, ALPHANUMERIC + "-_"), "a1" + _text(chance, 40, ALPHANUMERIC + "+/") + "=="]
    )  # fmt: skip


def texts(seed, count):
    """Yield (text, secret, level): each form as it is, and inside one, two and three levels of JSON."""
    chance = random.Random(seed)
    for _ in range(count):
        for form in FORMS + URL_FORMS:
            names, value = (PASSWORD_NAMES, password(chance)) if chance.random() < 0.5 else (TOKEN_NAMES, token(chance))
            if form in URL_FORMS:
                value = "".join(char for char in value if char in ALPHANUMERIC + "-_.~") + "x1"
            text = form.format(n=chance.choice(names), v=value)
            for level in range(4):
                yield text, value, level
                text = json.dumps({"log": text, "stream": "stdout"})


def escaped(text, level):
    """Return a text as it stands inside that many levels of JSON."""
    for _ in range(level):
        text = json.dumps(text)[1:-1]
    return text
