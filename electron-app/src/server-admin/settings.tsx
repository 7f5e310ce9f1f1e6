/** The settings in force, to be looked at. */
import { useEffect, useState } from 'preact/hooks';
import { api, type Section } from './api';
import { useDesk } from './context';

export function Settings() {
  const { say, fail } = useDesk();
  const [sections, setSections] = useState<Section[]>();
  useEffect(() => void api.settings().then(setSections, fail), []);
  return (
    <section class="page">
      <p class="lead">{say('settingsLead')}</p>
      <div class="sections" data-testid="settings">
        {sections?.map((section) => (
          <section key={section.name} class="panel">
            <h3 class="mono">[{section.name}]</h3>
            <dl class="pairs">
              {section.settings.map((setting) => (
                <div key={setting.name}>
                  <dt>{setting.name}</dt>
                  <dd>{setting.value}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </section>
  );
}
