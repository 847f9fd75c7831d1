// Google Drive on this machine: google-drive-mock keeps and finds the files, and this file gives the tokens, as Google does.
//   node .ci/drive.mjs TOOLS PORT      TOOLS has node_modules with google-drive-mock and express (.ci/drive).
// The mock alone reads an upload as text of at most 100 KiB, and sends a file only whole. So this file hands it the bytes of an upload one by
// one, as characters, has them kept as bytes, and cuts the range that is asked for.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [tools, port] = process.argv.slice(2);
const require = createRequire(join(resolve(tools), "package.json"));
const express = require("express");
const { createApp } = require("google-drive-mock");
const { driveStore } = require("google-drive-mock/dist/store");

const GRANT = { refresh_token: "1//refresh", client_id: "client", client_secret: "hush", grant_type: "refresh_token" };

const drive = express();

drive.post("/token", express.urlencoded(), (request, response) => {
    const isRight = Object.entries(GRANT).every(([name, value]) => request.body?.[name] === value);
    if (isRight) response.json({ access_token: "valid-token", expires_in: 3600 });
    else response.status(400).json({ error: "invalid_grant" });
});

drive.post("/upload/drive/v3/files", express.raw({ type: () => true, limit: "33mb" }), (request, response, next) => {
    request.body = request.body.toString("latin1");
    next();
});
const create = driveStore.createFile.bind(driveStore);
driveStore.createFile = (file) =>
    create(typeof file.content === "string" ? { ...file, content: Buffer.from(file.content, "latin1") } : file);

drive.get("/drive/v3/files/:id", (request, response, next) => {
    const send = response.send.bind(response);
    response.send = (body) => {
        const [range] = Buffer.isBuffer(body) ? [request.range(body.length)].flat() : [];
        if (typeof range !== "object") return send(body);
        response.status(206).set("content-range", `bytes ${range.start}-${range.end}/${body.length}`);
        return send(body.subarray(range.start, range.end + 1));
    };
    next();
});

drive.use(createApp());
drive.listen(Number(port), "127.0.0.1");
