// usersig_vendor.mjs TOOL [NODE_MODULES] - holds our UserSigs against the vendor's npm package tls-sig-api-v2, both ways:
// usersig_tool (TOOL) must accept what the package makes, and what usersig_tool makes must carry the digest the package
// computes. The package is found in the folder NODE_MODULES or by NODE_PATH. Status 0 when all of it holds.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import assert from 'node:assert/strict';
import zlib from 'node:zlib';

const [tool, folder] = process.argv.slice(2);
if (!tool) {
    console.error('usage: usersig_vendor.mjs TOOL [NODE_MODULES]');
    process.exit(2);
}
const require = createRequire(folder ? resolve(folder, '..', 'package.json') : import.meta.url);
const { Api } = require('tls-sig-api-v2');

const secrets = ['5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e', 'short', 'x'.repeat(200)];
const cases = [
    { identifier: 'administrator', sdkappid: 1400000001, expire: 86400, time: 1700000000 },
    { identifier: 'mod-bot_01', sdkappid: 1400000001, expire: 604800, time: 1700000000 },
    { identifier: 'A', sdkappid: 20000001, expire: 1, time: 1 },
    { identifier: '12345678901234567890123456789012', sdkappid: 4294967295, expire: 15552000, time: 4102444800 },
];
let checks = 0;

function ours(secret, ...words) {
    return execFileSync(tool, words.map(String), { env: { ...process.env, USERSIG_SECRET: secret }, encoding: 'utf8' }).trim();
}

// The package takes the time from the clock.
function atTime(seconds, make) {
    const { now } = Date;
    Date.now = () => seconds * 1000;
    try {
        return make();
    } finally {
        Date.now = now;
    }
}

function fieldsOf(signature) {
    assert.match(signature, /^[A-Za-z0-9*-]+_{0,2}$/);
    const base64 = signature.replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '=');
    return JSON.parse(zlib.inflateSync(Buffer.from(base64, 'base64')).toString());
}

function vendorToOurs(vendor, secret, c) {
    const signature = atTime(c.time, () => vendor.genUserSig(c.identifier, c.expire));
    const check = (key, identifier, sdkappid, now, sig = signature) => ours(key, 'check', identifier, sdkappid, now, sig);

    assert.equal(check(secret, c.identifier, c.sdkappid, c.time), 'ok');
    assert.equal(check(secret, c.identifier, c.sdkappid, c.time + c.expire), 'ok');
    assert.equal(check(secret, c.identifier, c.sdkappid, c.time + c.expire + 1), 'expired');
    assert.equal(check(secret + 'x', c.identifier, c.sdkappid, c.time), 'wrong-key');
    assert.equal(check(secret, 'somebody', c.sdkappid, c.time), 'wrong-user');
    assert.equal(check(secret, c.identifier, c.sdkappid + 1, c.time), 'wrong-app');
    // a room key of the vendor's other product is no UserSig
    const roomKey = atTime(c.time, () => vendor.genPrivateMapKey(c.identifier, c.expire, 7, 255));
    assert.equal(check(secret, c.identifier, c.sdkappid, c.time, roomKey), 'malformed');
    checks += 7;
}

function oursToVendor(vendor, secret, c) {
    const fields = fieldsOf(ours(secret, 'make', c.identifier, c.sdkappid, c.time, c.expire));
    const theirs = fieldsOf(atTime(c.time, () => vendor.genUserSig(c.identifier, c.expire)));

    assert.deepEqual(fields, theirs); // the same members with the same values, in whatever order
    assert.equal(fields['TLS.sig'], vendor._hmacsha256(c.identifier, c.time, c.expire, null));
    checks += 2;
}

for (const secret of secrets) {
    for (const c of cases) {
        const vendor = new Api(c.sdkappid, secret);
        vendorToOurs(vendor, secret, c);
        oursToVendor(vendor, secret, c);
    }
}
console.log(`usersig_vendor: ${checks} checks hold against tls-sig-api-v2 ${require('tls-sig-api-v2/package.json').version}`);
