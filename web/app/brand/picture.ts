// A picture that the server takes, out of whatever a phone or a camera made.

export const KINDS = ["image/png", "image/jpeg", "image/webp"];
/** The server's bounds. */
const BYTES_LIMIT = 2 * 1024 * 1024;
const SIDE_LIMIT = 4_096;
/** A card on a large screen needs no more; phones' pictures are two to four times as wide. */
const SIDE_WANTED = 1_600;
const QUALITIES = [0.88, 0.75, 0.6];

/** For people: why this file cannot be used. */
export class PictureError extends Error {}

/** The file itself when it fits, else drawn again, smaller. Throws PictureError. */
export async function fitPicture(file: Blob): Promise<Blob> {
  if (!file.type.startsWith("image/") || file.type === "image/svg+xml") throw new PictureError("Choose a picture: PNG, JPEG or WebP.");
  const picture = await createImageBitmap(file).catch(() => {
    throw new PictureError("This browser cannot read that picture. Save it as PNG, JPEG or WebP and try again.");
  });
  try {
    if (KINDS.includes(file.type) && file.size <= BYTES_LIMIT && Math.max(picture.width, picture.height) <= SIDE_LIMIT) return file;
    return await drawn(picture);
  } finally {
    picture.close();
  }
}

async function drawn(picture: ImageBitmap): Promise<Blob> {
  const scale = Math.min(1, SIDE_WANTED / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const ink = canvas.getContext("2d");
  if (!ink) throw new PictureError("This browser cannot make the picture smaller. Choose one of at most 2 MB.");
  // WebP keeps see-through parts; a browser that cannot write it answers with PNG, which is then too large to gain anything.
  ink.drawImage(picture, 0, 0, canvas.width, canvas.height);
  for (const quality of QUALITIES) {
    const made = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/webp", quality));
    if (made?.type === "image/webp" && made.size <= BYTES_LIMIT) return made;
  }
  ink.globalCompositeOperation = "destination-over";
  ink.fillStyle = "#fff";
  ink.fillRect(0, 0, canvas.width, canvas.height);
  for (const quality of QUALITIES) {
    const made = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
    if (made && made.size <= BYTES_LIMIT) return made;
  }
  throw new PictureError("This picture is too large. Choose one of at most 2 MB.");
}
