// A worker that uploads the file that it is sent.

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<File>) => void;
  postMessage(root: string): void;
};

scope.onmessage = async ({ data }) => {
  const at = (path: string) => import(path);
  const { HttpTransport, upload } = await at("/dist/dedup/index.browser.js");
  const transport = new HttpTransport({ baseUrl: location.origin });
  scope.postMessage((await upload(data, { transport })).root);
};
