import { html } from "hono/html";
import type { ModelListingJson } from "#protocol/model.ts";
import type { Network } from "#protocol/network.ts";
import { type Html, page } from "./page.ts";
import { tokenAmount } from "./tokenAmount.ts";

/** What the front page says of a model. */
type ShownModel = Pick<ModelListingJson, "name" | "version" | "versionId" | "nodes" | "meter">;

/** The front page: what this is, which models it runs, and which tasks were paid for last. */
export function homePage(
  network: Pick<Network, "name" | "chainId">,
  models: readonly ShownModel[],
  taskIds: readonly string[],
): Html {
  return page(
    `OPG gateway of ${network.name}`,
    html`<p>
        This gateway sells single inferences. A request is paid with one signature: no account, no key. A node computes
        the answer, independent verifiers repeat it, and only then the money is divided on chain ${network.chainId}.
      </p>
      <nav>
        <a href="/v1/models">Models as JSON</a><a href="/openapi.json">OpenAPI</a><a href="/network.json">Network</a>
      </nav>
      <h2>Models</h2>
      ${models.length === 0 ? html`<p>None is published yet.</p>` : modelTable(models)}
      <h2>Recent tasks</h2>
      ${
        taskIds.length === 0
          ? html`<p>None was paid for yet.</p>`
          : html`<ul>
              ${taskIds.map(
                (taskId) =>
                  html`<li>
                    <a href="/tasks/${taskId}"><code>${taskId}</code></a>
                  </li>`,
              )}
            </ul>`
      }`,
  );
}

function modelTable(models: readonly ShownModel[]): Html {
  return html`<table>
    <tr>
      <th>Model</th>
      <th>Version</th>
      <th>Nodes</th>
      <th>Base price</th>
    </tr>
    ${models.map(
      ({ name, version, versionId, nodes, meter }) =>
        html`<tr>
          <td><a href="/v1/models/${versionId}">${name}</a></td>
          <td>${version}</td>
          <td>${nodes}</td>
          <td>${tokenAmount(meter.base)}</td>
        </tr>`,
    )}
  </table>`;
}
