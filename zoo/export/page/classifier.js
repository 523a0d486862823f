// Run an exported network in a worker of the browser.
//
//   const classifier = await Classifier.load('zoo-…/model.onnx', { page: document.baseURI });
//   const { probabilities } = await classifier.run(pixels(bitmap, bitmap.width, bitmap.height, 3), input);

export class Classifier {
  #worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  #waiting = new Map();
  #count = 0;

  /**
   * @param {string} model the address of the .onnx file.
   * @param {{page?: string, bytes?: number, onProgress?: Function}} options
   *   page: the address of the page; the folder ort/ is beside it; bytes: of the model file;
   *   onProgress: is called with {step, loaded, total} in bytes; total is 0 if unknown.
   * @returns {Promise<Classifier>}
   * @throws {Error} a file cannot be loaded or is not a model.
   */
  static async load(model, { page = document.baseURI, bytes = 0, onProgress = () => {} } = {}) {
    const classifier = new Classifier();
    const worker = classifier.#worker;
    worker.onmessage = ({ data }) => (data.progress ? onProgress(data.progress) : classifier.#settle(data));
    worker.onerror = (event) => {
      event.preventDefault();
      classifier.#fail(event.message || 'this browser is too old: it has no module workers');
    };
    classifier.version = await classifier.#call('load', [page, new URL(model, page).href, bytes]);
    return classifier;
  }

  /**
   * @param {{data: Uint8Array, height: number, width: number}} picture from pixels(); its data moves to the worker.
   * @param {object} input what the graph takes, as scale.js describes it.
   * @returns {Promise<{logits: Float32Array, probabilities: Float32Array, milliseconds: number}>}
   */
  run({ data, height, width }, input) {
    return this.#call('run', [data, height, width, input], [data.buffer]);
  }

  #call(method, args, transfer = []) {
    return new Promise((resolve, reject) => {
      this.#count += 1;
      this.#waiting.set(this.#count, { resolve, reject });
      this.#worker.postMessage({ id: this.#count, method, args }, transfer);
    });
  }

  #settle({ id, result, error }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }

  #fail(message) {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}
