// Classify the camera's live picture until the user takes one.

const PAUSE = 100; // milliseconds between two classifications

export class Camera {
  #stream = null;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
  }

  static get isThere() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get runs() {
    return this.#stream !== null;
  }

  /** @throws {Error} the camera is not allowed, missing or in use. */
  async start() {
    try {
      const wanted = { video: { facingMode: 'environment', width: { ideal: 640 } } };
      this.#stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      const reasons = { NotAllowedError: 'The camera was not allowed.', NotFoundError: 'No camera was found.' };
      throw new Error(reasons[error.name] ?? `The camera does not start: ${error.message}`, { cause: error });
    }
    this.video.srcObject = this.#stream;
    await this.video.play();
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.video.srcObject = null;
  }

  /** Call look(video, width, height) repeatedly, one call after the other, until the camera stops. */
  async watch(look) {
    const stream = this.#stream;
    while (this.#stream !== null && this.#stream === stream) {
      const { videoWidth: width, videoHeight: height } = this.video;
      if (width > 0) await look(this.video, width, height);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}
