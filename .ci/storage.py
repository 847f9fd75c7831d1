"""A file of an order goes into a bucket of moto's and comes back; what is refused leaves nothing there; the doctor tells."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

LEVQOR, MOTO = sys.argv[1:]
MEBIBYTE = 1 << 20


def must(holds, sentence):
    if not holds:
        sys.exit("storage: " + sentence)


def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


S3, DOOR = "http://127.0.0.1:%d" % port(), "http://127.0.0.1:%d" % port()


def ask(url, token=None, body=None, method=None):
    """Status and body of an answer, whatever it is."""
    request = urllib.request.Request(url, data=body, method=method)
    if token:
        request.add_header("authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def upload(url, token, content):
    """The same by curl, which reads an answer that comes before everything is sent. It sends a whole body of 25 MiB."""
    asked = ["curl", "-sS", "-o", "-", "-w", "\n%{http_code}", "-H", "authorization: Bearer " + token, "-H", "expect:",
             "-H", "content-type: application/octet-stream", "--data-binary", "@-", url]
    said = subprocess.run(asked, input=content, capture_output=True, check=False).stdout
    body, _, status = said.rpartition(b"\n")
    return int(status or 0), body


def until(what, look, seconds=60):
    begun = time.monotonic()
    while not (found := look()):
        must(time.monotonic() - begun < seconds, "waited %d s in vain for %s" % (seconds, what))
        time.sleep(0.2)
    return found


def levqor(*arguments, **more):
    return subprocess.run([LEVQOR, *arguments], capture_output=True, text=True, env=os.environ | more)


def bucket():
    """The keys of all objects, and the uploads that are not finished."""
    objects, uploads = (ask(S3 + "/files?" + query)[1].decode() for query in ("list-type=2", "uploads"))
    return re.findall("<Key>([^<]*)</Key>", objects), re.findall("<UploadId>([^<]*)</UploadId>", uploads)


def files():
    shown = levqor("demo")
    found = re.search("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", shown.stdout)
    must(shown.returncode == 0 and found, "there is no order: " + shown.stdout + shown.stderr)
    staff, path = levqor("token", "--role", "staff").stdout.split()[-1], "%s/v1/orders/%s/files" % (DOOR, found[0])
    must(bucket() == ([], []), "the probe left something in the bucket: %s" % (bucket(),))
    content = os.urandom(25 * MEBIBYTE)
    status, answer = upload(path + "?name=a.bin", staff, content)
    must(status == 200, "an upload is answered %d: %s" % (status, answer))
    file = json.loads(answer)["file"]["file_id"]
    must(len(bucket()[0]) == 1, "the bucket has %s" % bucket()[0])
    status, back = ask("%s/%s:download" % (path, file), staff)
    must(status == 200 and back == content, "the download is answered %d, with %d bytes" % (status, len(back)))
    status, answer = upload(path + "?name=b.bin", staff, content + b"more")
    must(status == 413, "a file that is too large is answered %d: %s" % (status, answer))
    status, answer = upload(path + "?name=brief.pdf", staff, b"\x7fELF\x02\x01\x01" + bytes(9000))
    must(status == 400, "a program is answered %d: %s" % (status, answer))
    must(len(bucket()[0]) == 1 and not bucket()[1], "what was refused left something: %s" % (bucket(),))
    status, answer = ask("%s/%s" % (path, file), staff, method="DELETE")
    must(status == 200, "a deletion is answered %d: %s" % (status, answer))
    print("25 MiB went into a bucket and came back; what was refused left nothing there")


def doctor():
    def said(**more):
        report = json.loads(levqor("doctor", "--json", **more).stdout)
        lines = [line for line in report["checks"] if line["name"] == "billing.order_files"]
        must(len(lines) == 1, "the doctor has %d lines about files" % len(lines))
        return lines[0]["outcome"]

    must(said() == "ON", "the doctor says %s" % said())
    missing = said(LEVQOR_STORAGE_S3_BUCKET="nobodys")
    must(missing == "FAILED", "the doctor says %s of a bucket that is not there" % missing)
    print("the doctor tells a bucket that works from one that is not there")


def main():
    work = tempfile.mkdtemp(prefix="levqor-storage-")
    os.chmod(work, 0o711)
    folder, log = os.path.join(work, "levqor"), os.path.join(work, "log")
    # Where root's PostgreSQL goes that cannot reach the data directory, as src/up/database.rs names it.
    moved = "/var/lib/levqor/" + hashlib.sha256(folder.encode()).hexdigest()[:12]
    os.environ |= {
        "LEVQOR_DATA_DIR": folder, "LEVQOR_HTTP_ADDR": DOOR.removeprefix("http://"),
        "LEVQOR_STORAGE_S3_BUCKET": "files", "LEVQOR_STORAGE_S3_ENDPOINT": S3, "LEVQOR_STORAGE_S3_REGION": "us-east-1",
        "LEVQOR_STORAGE_S3_ACCESS_KEY_ID": "id", "LEVQOR_STORAGE_S3_SECRET_ACCESS_KEY": "key",
    }
    started = []
    try:
        with open(log, "w") as said, open(os.path.join(work, "moto"), "w") as other:
            number = S3.rsplit(":", 1)[1]
            fake = [MOTO, "-H", "127.0.0.1", "-p", number]
            started.append(subprocess.Popen(fake, stdout=other, stderr=other, stdin=subprocess.DEVNULL))
            until("moto", lambda: socket.socket().connect_ex(("127.0.0.1", int(number))) == 0)
            must(ask(S3 + "/files", body=b"", method="PUT")[0] == 200, "there is no bucket")
            started.append(subprocess.Popen([LEVQOR, "up"], stdout=said, stderr=said, stdin=subprocess.DEVNULL))
            try:
                until("levqor up", lambda: "Ctrl-C stops everything" in open(log).read())
                files()
                doctor()
            except SystemExit:
                print("the mesh said, at last:\n" + "".join(open(log).readlines()[-20:]), file=sys.stderr)
                raise
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(moved, ignore_errors=True)


main()
