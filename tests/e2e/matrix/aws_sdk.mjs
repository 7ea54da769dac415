// Uploads a file with AWS's SDK for Node: put (one request) or upload (lib-storage, in parts).
// aws_sdk.mjs FOLDER-WITH-THE-SDK put|upload FILE BUCKET KEY; credentials and region come from the environment.
import fs from 'node:fs';
import {createRequire} from 'node:module';

const [folder, how, file, Bucket, Key] = process.argv.slice(2);
const load = createRequire(`${folder}/`);
const {PutObjectCommand, S3Client} = load('@aws-sdk/client-s3');
const {Upload} = load('@aws-sdk/lib-storage');
const client = new S3Client({});
try {
  if (how === 'put') await client.send(new PutObjectCommand({Bucket, Key, Body: fs.readFileSync(file)}));
  else await new Upload({client, params: {Bucket, Key, Body: fs.createReadStream(file)}}).done();
  console.log('uploaded');
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
