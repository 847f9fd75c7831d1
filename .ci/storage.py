"""A file of an order goes into a bucket of moto's and comes back; what is refused leaves nothing there. A copy of personal data with that file
goes to a Google Drive (google-drive-mock), comes back, and is deleted there. The doctor tells of both."""

import hashlib
import io
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
import zipfile

LEVQOR, MOTO, DRIVE_TOOLS = sys.argv[1:]
MEBIBYTE = 1 << 20
BUYER = "buyer@example.com"


def must(holds, sentence):
    if not holds:
        sys.exit("storage: " + sentence)


def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


S3, DRIVE, DOOR = ("http://127.0.0.1:%d" % port() for _ in range(3))


def ask(url, token=None, body=None, method=None, headers=()):
    """Status and body of an answer, whatever it is."""
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
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


def in_drive():
    """The files in Drive, as its API lists them."""
    status, listed = ask(DRIVE + "/drive/v3/files", "valid-token")
    must(status == 200, "Drive answers %d: %s" % (status, listed))
    return json.loads(listed)["files"]


def sql(statement):
    with open(os.path.join(os.environ["LEVQOR_DATA_DIR"], "run.json")) as file:
        folder = json.load(file)["postgres"]
    command = ["psql", "-h", folder, "-U", "levqor", "-d", "levqor_compliance", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True)
    must(done.returncode == 0, "%s: %s" % (statement, done.stderr))


def copies(content):
    """A copy of the buyer's data, with their file, by way of Drive."""
    buyer = levqor("token", "--email", BUYER).stdout.split()[-1]
    must(ask(DOOR + "/v1/orders", buyer)[0] == 200, "the buyer does not get their order")
    headers = {"content-type": "application/json", "idempotency-key": "the-copy"}.items()
    status, answer = ask(DOOR + "/v1/data-requests", buyer, b'{"right": "RIGHT_ACCESS"}', headers=headers)
    must(status == 200, "a request of a copy is answered %d: %s" % (status, answer))
    id = json.loads(answer)["data_request"]["data_request_id"]
    path = "%s/v1/data-requests/%s" % (DOOR, id)

    def done():
        found = json.loads(ask(path, buyer)[1])["data_request"]
        return found if found["state"] == "STATE_DONE" else None

    size = int(until("the copy", done)["export"]["size_bytes"])
    stored = [(file["name"], int(file["size"]), file["parents"]) for file in in_drive()]
    must(stored == [("exports-%s-1.zip.age" % id, size, ["root"])], "a copy of %d bytes is in Drive as %s" % (size, stored))
    must(len(bucket()[0]) == 1, "the copy is in the bucket too: %s" % bucket()[0])
    status, raw = ask("%s/drive/v3/files/%s?alt=media" % (DRIVE, in_drive()[0]["id"]), "valid-token")
    must(raw.startswith(b"age-encryption.org/v1\n"), "the copy is not encrypted in Drive: %s" % raw[:40])
    status, archive = ask(path + "/export:download", buyer, b"{}", headers=headers)
    must(status == 200, "the download of a copy is answered %d: %s" % (status, archive[:500]))
    with zipfile.ZipFile(io.BytesIO(archive)) as copy:
        must(copy.testzip() is None, "the copy came back damaged")
        must(BUYER in copy.read("billing/orders.json").decode(), "the buyer's order is not in the copy")
        held = [name for name in copy.namelist() if name.startswith("billing/files/")]
        must(len(held) == 1 and copy.read(held[0]) == content, "the buyer's file is not in the copy: %s" % copy.namelist())
    # As if its thirty days were over.
    sql("UPDATE data_exports SET delete_time = runtime.now()")
    until("the deletion of the copy in Drive", lambda: not in_drive(), 150)
    status, _ = ask(path + "/export:download", buyer, b"{}", headers=headers)
    must(status == 422, "the download of a deleted copy is answered %d" % status)
    print("a copy of %d MiB went to Google Drive, encrypted, came back in parts, and was deleted there" % (size // MEBIBYTE))


def files():
    shown = levqor("demo", "--email", BUYER)
    found = re.search("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", shown.stdout)
    must(shown.returncode == 0 and found, "there is no order: " + shown.stdout + shown.stderr)
    staff, path = levqor("token", "--role", "staff").stdout.split()[-1], "%s/v1/orders/%s/files" % (DOOR, found[0])
    must(bucket() == ([], []), "the probe left something in the bucket: %s" % (bucket(),))
    must(not in_drive(), "the probe left something in Drive: %s" % in_drive())
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
    copies(content)
    status, answer = ask("%s/%s" % (path, file), staff, method="DELETE")
    must(status == 200, "a deletion is answered %d: %s" % (status, answer))
    print("25 MiB went into a bucket and came back; what was refused left nothing there")


def doctor():
    def said(name, **more):
        report = json.loads(levqor("doctor", "--json", **more).stdout)
        lines = [line for line in report["checks"] if line["name"] == name]
        must(len(lines) == 1, "the doctor has %d lines %s" % (len(lines), name))
        return lines[0]["outcome"]

    for name, wrong in [
        ("billing.order_files", {"LEVQOR_STORAGE_S3_BUCKET": "nobodys"}),
        ("support.storage", {"LEVQOR_STORAGE_S3_BUCKET": "nobodys"}),
        ("compliance.storage", {"LEVQOR_STORAGE_S3_BUCKET": "nobodys"}),
        ("compliance.google_drive_storage", {"LEVQOR_STORAGE_DRIVE_REFRESH_TOKEN": "nobodys"}),
    ]:
        works, fails = said(name), said(name, **wrong)
        must((works, fails) == ("ON", "FAILED"), "the doctor says %s of %s, and %s with %s" % (works, name, fails, wrong))
    must(not in_drive(), "the doctor left something in Drive: %s" % in_drive())
    print("the doctor tells a bucket and a Drive that work from those that do not")


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
        "LEVQOR_STORAGE_DRIVE_CLIENT_ID": "client", "LEVQOR_STORAGE_DRIVE_CLIENT_SECRET": "hush",
        "LEVQOR_STORAGE_DRIVE_REFRESH_TOKEN": "1//refresh", "LEVQOR_STORAGE_DRIVE_API_BASE": DRIVE,
    }
    started = []
    try:
        with open(log, "w") as said, open(os.path.join(work, "fakes"), "w") as other:
            drive = ["node", os.path.join(os.path.dirname(__file__), "drive.mjs"), DRIVE_TOOLS]
            for fake, base in [([MOTO, "-H", "127.0.0.1", "-p"], S3), (drive, DRIVE)]:
                number = base.rsplit(":", 1)[1]
                started.append(subprocess.Popen([*fake, number], stdout=other, stderr=other, stdin=subprocess.DEVNULL))
                until(fake[0], lambda: socket.socket().connect_ex(("127.0.0.1", int(number))) == 0)
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
