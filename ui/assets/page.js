// What the page does in the browser: keys, scrolling, the address, copying, dark and light. It shows; it decides nothing.
(() => {
  const find = (selector) => document.querySelector(selector);
  let target = null; // a found message, to be scrolled to once it is there
  let menu = null; // the id of the open menu: it stays so when its list is drawn again
  // The slot of the reply that is being written, which reply that is, and where it comes from.
  let filled = null, reply = null, source = null;
  let restored = false; // whether what was typed before a reload is back
  const opened = new Set(); // the replies whose safety table is open: it stays so when they are drawn again
  const typed = new Map(); // the comments that are being written, by their reply: they stay so, too
  let following = new URL(location.href).searchParams.has('c'); // whether the newest words are kept in view

  const theme = () => localStorage.getItem('steadfast:theme') ||
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const dress = () => {
    document.documentElement.style.colorScheme = theme();
    document.body?.classList.toggle('dark', theme() === 'dark');
  };

  const composer = () => find('#composer textarea');
  const running = () => Boolean(find('#header [data-running="yes"]'));
  const toBottom = () => { const box = find('#scroll'); if (box) box.scrollTop = box.scrollHeight; };
  const keepUp = () => { if (following && !target) toBottom(); };
  // What is drawn may still change its height: a gap closes, a font comes.
  const heights = new ResizeObserver(keepUp);

  window.steadfast = {
    // A button of ours was pressed: what the browser itself has to do.
    acting(button) {
      const {act, message} = button.dataset;
      button.closest('[popover]')?.hidePopover();
      menu = null;
      if (act === 'open') {
        target = message ? `message-${message}` : null;
        following = !target;
        document.body.classList.remove('show-sidebar');
      }
      if (act === 'retry' || act === 'branch') following = act === 'retry';
      if (act === 'choose') following = true;
      if (act === 'edit' || act === 'choose') setTimeout(() => composer()?.focus(), 300);
    },
    // A part of the page is there. Where a reply grows, what it holds is watched itself: its value comes earlier.
    made(element, act) {
      if (!element.closest('#live')) return;
      const look = () => follow(element.querySelector('[data-live]'), act);
      new MutationObserver(look).observe(element, {childList: true, subtree: true, attributeFilter: ['data-live']});
      look();
    },
    // One of our parts of the page shows something new.
    changed(element) {
      const drawn = menu && element.querySelector(`#${menu}`);
      if (drawn && !drawn.matches(':popover-open')) drawn.showPopover();
      for (const form of element.querySelectorAll('form.comment')) {
        form.elements.comment.value ||= typed.get(form.dataset.id) ?? '';
      }
      for (const id of opened) element.querySelector(`#${id} .safety`)?.setAttribute('open', '');
      if (element.closest('#header')) place(element.querySelector('[data-conversation]'));
      restored ? keep() : restore();
      const box = element.closest('#scroll');
      if (!box) return;
      for (const part of box.children) heights.observe(part);
      const found = target && document.getElementById(target);
      if (found) {
        found.scrollIntoView({block: 'center'});
        found.classList.add('found');
        target = null;
      } else keepUp();
    },
  };

  // The reply that is being written, as it grows, in a slot that names it.
  const follow = (slot, act) => {
    // The same slot may come to hold another reply.
    if (slot === filled && slot?.dataset.live === reply) return;
    filled = slot;
    reply = slot?.dataset.live;
    source?.close();
    source = slot && new EventSource(`live/${reply}`);
    source?.addEventListener('message', (event) => {
      slot.innerHTML = JSON.parse(event.data);
      keepUp();
    });
    source?.addEventListener('end', (event) => { event.target.close(); act('ended'); });
  };

  // What is being typed outlives a reload, which the page does by itself when it has lost the server.
  const draft = 'steadfast:draft';
  const keep = () => sessionStorage.setItem(draft, find('#editing')?.checkVisibility() ? '' : composer()?.value ?? '');
  const restore = () => {
    const typed = sessionStorage.getItem(draft), box = composer();
    if (!box) return;
    restored = true;
    if (!typed || box.value) return;
    box.value = typed;
    box.dispatchEvent(new Event('input', {bubbles: true}));
  };

  // The address names the open conversation, so that a reload, a link and a second tab show the same.
  const place = (bar) => {
    if (!bar) return;
    const id = bar.dataset.conversation, url = new URL(location.href);
    document.body.classList.toggle('running', bar.dataset.running === 'yes');
    if ((url.searchParams.get('c') ?? '') !== id || url.searchParams.has('persona')) {
      id ? url.searchParams.set('c', id) : url.searchParams.delete('c');
      url.searchParams.delete('persona');
      history.replaceState(history.state, '', url);
      following = !target && Boolean(id);
      if (!id) find('#scroll').scrollTop = 0;
    }
    const title = bar.querySelector('strong')?.textContent;
    document.title = title ? `${title} · Steadfast` : 'Steadfast';
  };

  const copy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const box = Object.assign(document.createElement('textarea'), {value: text});
      document.body.append(box);
      box.select();
      document.execCommand('copy');
      box.remove();
    }
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 1200);
  };

  const toggle = (name) => document.body.classList.toggle(name);
  const buttons = {
    sidebar: () => toggle('show-sidebar'),
    settings: () => toggle('show-settings'),
    help: () => find('#help')?.showModal(),
    theme: () => { localStorage.setItem('steadfast:theme', theme() === 'dark' ? 'light' : 'dark'); dress(); },
  };

  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-page]');
    if (button) buttons[button.dataset.page]();
    const code = event.target.closest('[data-copy]');
    if (code) copy(code, code.closest('.code').querySelector('code').textContent);
    const message = event.target.closest('[data-copymessage]');
    if (message) copy(message, message.closest('.message').querySelector('.bubble, .text').innerText);
    if (event.target.closest('#new-chat')) {
      document.body.classList.remove('show-sidebar');
      setTimeout(() => composer()?.focus(), 300);
    }
    if (!event.target.closest('#sidebar, [data-page="sidebar"], [popover]')) document.body.classList.remove('show-sidebar');
    if (event.target.closest('#send')) following = true;
  });

  // A click, unlike the toggle it causes, is never of an element that is being taken away.
  document.addEventListener('click', (event) => {
    const safety = event.target.closest('.safety > summary')?.parentElement;
    if (!safety) return;
    opened[safety.open ? 'delete' : 'add'](safety.closest('.message').id);
    following = false; // what was clicked stays where it is
    requestAnimationFrame(() => safety.scrollIntoView({block: 'nearest'})); // it may open under the line for typing
  });

  document.addEventListener('input', (event) => {
    if (event.target.name === 'comment') typed.set(event.target.form.dataset.id, event.target.value);
    if (event.target === composer()) keep();
  });
  document.addEventListener('submit', (event) => typed.delete(event.target.dataset.id));

  // A menu opens beside its button.
  document.addEventListener('toggle', (event) => {
    if (!event.target.matches?.('.menu')) return;
    if (event.newState === 'open') menu = event.target.id;
    else if (menu === event.target.id) menu = null;
    if (event.newState !== 'open') return;
    const from = find(`[popovertarget="${event.target.id}"]`).getBoundingClientRect();
    const {offsetWidth: width, offsetHeight: height} = event.target;
    event.target.style.left = `${Math.max(8, Math.min(from.left, innerWidth - width - 8))}px`;
    event.target.style.top = `${Math.max(8, Math.min(from.bottom + 4, innerHeight - height - 8))}px`;
  }, true);

  document.addEventListener('scroll', (event) => {
    const box = event.target;
    if (box.id === 'scroll') following = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  }, true);

  document.addEventListener('keydown', (event) => {
    const command = event.ctrlKey || event.metaKey, typing = event.target.matches('input, textarea, select');
    const key = event.key.toLowerCase();
    if (event.target === composer() && key === 'enter' && !event.shiftKey) following = true;
    let done = true;
    if (command && event.shiftKey && key === 'o') find('#new-chat')?.click();
    else if (command && key === 'k') {
      document.body.classList.add('show-sidebar');
      find('#search input, #search textarea')?.focus();
    } else if ((command && key === '/') || (key === '?' && !typing)) buttons.help();
    else if (key === 'escape' && document.body.classList.contains('show-settings')) toggle('show-settings');
    else if (key === 'escape' && running() && !find('dialog[open]')) find('#stop')?.click();
    else if (key === 'arrowup' && event.target === composer() && !composer().value) {
      const edits = document.querySelectorAll('#messages [data-act="edit"]');
      edits[edits.length - 1]?.click();
    } else done = false;
    if (done) event.preventDefault();
  });

  dress();
  document.addEventListener('DOMContentLoaded', dress);
})();
