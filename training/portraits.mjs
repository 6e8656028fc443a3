// Prints, as JSON, one SVG for each drawn part of DiceBear's "Personas" (Draftbit, CC BY 4.0).
// training/sprites.py takes the part that it wants out of each SVG. Needs @dicebear/core and
// @dicebear/personas in the folder it is run from.
import { createAvatar } from "@dicebear/core";
import * as personas from "@dicebear/personas";

const plain = {
  seed: "stickers", skinColor: ["e5a07e"], hairColor: ["6c4545"], clothingColor: ["456dff"],
  body: ["rounded"], eyes: ["open"], mouth: ["smile"], nose: ["mediumRound"], hair: ["long"],
  facialHair: ["beardMustache"], facialHairProbability: 100,
};
const parts = { body: [], eyes: [], mouth: [], nose: [], hair: [], facialHair: [] };
const drawings = {};
for (const part of Object.keys(parts))
  for (const variant of personas.schema.properties[part].items.enum)
    drawings[`${part}/${variant}`] = createAvatar(personas, { ...plain, [part]: [variant] }).toString();
console.log(JSON.stringify(drawings));
