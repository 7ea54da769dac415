// A person's program with Azure's SDK for Node: FOLDER single|blocks FILE KEY, connected by the environment.
import { createRequire } from "node:module";
const [folder, way, file, key] = process.argv.slice(2);
const { BlobServiceClient } = createRequire(folder + "/")("@azure/storage-blob");
const service = BlobServiceClient.fromConnectionString(process.env.AZURE_STORAGE_CONNECTION_STRING);
const pieces = way === "blocks" ? { blockSize: 65536, maxSingleShotSize: 65536 } : {};
await service.getContainerClient("ours").getBlockBlobClient(key).uploadFile(file, pieces);
